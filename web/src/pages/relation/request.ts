// What the request of an unbind itself says, read from the record as it came: amounts keep their digits.
import { event as askEvent } from '../../lib/api/calls.ts';
import { rawMember } from '../../lib/partner/raw.ts';
import type { Episode } from '../../lib/partner/relation.ts';

export interface Request {
  traceId: string;
  /** `UNBIND` or `SWITCH`. */
  type: string | null;
  reason: string | null;
  couponAmount: string | null;
  operator: string | null;
}

/** The request of an episode, if it has one. */
export async function requestOf(tenant: string, episode: Episode, signal: AbortSignal): Promise<Request | null> {
  const fact = episode.facts.find((one) => one.role === 'request');
  if (!fact) return null;
  const { original } = await askEvent(tenant, fact.event.trace_id, signal);
  // The request is JSON in a JSON text; some collectors send it as an object.
  const raw = original ?? '';
  const body = rawMember(raw, 'request') ?? objectMember(raw, 'request') ?? '';
  const member = (...keys: string[]): string | null => keys.map((key) => rawMember(body, key)).find((value) => value !== null) ?? null;
  return {
    traceId: fact.event.trace_id,
    type: member('apply_type', 'operation'),
    reason: member('reason'),
    couponAmount: member('coupon_amount'),
    operator: fact.event.operator ?? null,
  };
}

/** The text of an object that is a member, from its brace to the matching one. */
function objectMember(json: string, key: string): string | null {
  const at = json.search(new RegExp(`"${key}"\\s*:\\s*\\{`));
  if (at < 0) return null;
  const start = json.indexOf('{', at + key.length + 2);
  let depth = 0;
  let inText = false;
  for (let place = start; place < json.length; place += 1) {
    const letter = json[place];
    if (letter === '\\') place += 1;
    else if (letter === '"') inText = !inText;
    else if (!inText && letter === '{') depth += 1;
    else if (!inText && letter === '}' && --depth === 0) return json.slice(start, place + 1);
  }
  return null;
}
