// Where the request and the response stand in a record, by what each format calls them.
import { child, embedded, type Document, type Node } from '$lib/json/tokens.ts';

export interface Body {
  document: Document;
  node: Node;
  /** The path of the body in the record. */
  route: string[];
}

const PLACES: Record<'request' | 'response', string[][]> = {
  request: [['request'], ['requestParameters'], ['requestObject'], ['protoPayload', 'request'], ['http', 'request'], ['request_body'], ['req']],
  response: [['response'], ['responseElements'], ['responseObject'], ['responseStatus'], ['protoPayload', 'response'], ['protoPayload', 'status'], ['http', 'response'], ['response_body'], ['errorMessage'], ['result']],
};

/** The body of a record; JSON in a string is opened. Null where there is none, or it is empty. */
export function bodyOf(document: Document, which: 'request' | 'response'): Body | null {
  for (const route of PLACES[which]) {
    let of = document;
    let node: Node | null = document.root;
    for (const key of route) {
      const inner: Document | null = node ? embedded(of, node) : null;
      if (inner) {
        of = inner;
        node = inner.root;
      }
      node = child(of, node, key);
    }
    if (node && !isNothing(of, node)) return { document: of, node, route };
  }
  return null;
}

function isNothing(document: Document, node: Node): boolean {
  const raw = document.text.slice(node.start, node.end);
  return raw === 'null' || raw === '""';
}
