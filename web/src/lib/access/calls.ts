// The calls of access control.
import { ask } from '../api/client.ts';
import type { Grant, Me, NewRelationship, NewToken, OpenSession, Patch, Principal, Relationship, RelationshipChange, RelationshipPage, SignInMethods, TenantStanding, TenantStandingChange, Token } from './types.ts';

const principalPath = (name: string): string => `/api/v1/principals/${encodeURIComponent(name)}`;

/** Who asks. A 401 is the answer "nobody", so nobody is asked to sign in because of it. */
export const me = (): Promise<Me> => ask<Me>('/api/v1/me', [], { anonymous: true });
export const login = (token: string): Promise<Me> => ask<Me>('/auth/login', [], { method: 'POST', body: { token }, anonymous: true });
export const methods = (): Promise<SignInMethods> => ask<SignInMethods>('/auth/methods', [], { anonymous: true });
/** Where signing in at the provider begins, and ends at the page that one is at. */
export const providerAddress = (): string => `/auth/login?return_to=${encodeURIComponent(location.pathname + location.search)}`;
export const logout = (): Promise<void> => ask('/auth/logout', [], { method: 'POST', anonymous: true });

export async function principals(signal: AbortSignal): Promise<Principal[]> {
  return (await ask<{ principals: Principal[] }>('/api/v1/principals', [], { signal })).principals;
}
export const createPrincipal = (name: string, grant: Grant): Promise<unknown> => ask('/api/v1/principals', [], { method: 'POST', body: { name, ...grant } });
export const changePrincipal = (name: string, patch: Patch): Promise<unknown> => ask(principalPath(name), [], { method: 'PATCH', body: patch });
export const disablePrincipal = (name: string, disabled: boolean): Promise<unknown> => ask(principalPath(name), [], { method: 'PATCH', body: { disabled } });
export const removePrincipal = (name: string): Promise<void> => ask(principalPath(name), [], { method: 'DELETE' });

export async function tokens(name: string, signal: AbortSignal): Promise<Token[]> {
  return (await ask<{ tokens: Token[] }>(`${principalPath(name)}/tokens`, [], { signal })).tokens;
}
export const createToken = (name: string, expiresIn: string, note: string): Promise<NewToken> =>
  ask<NewToken>(`${principalPath(name)}/tokens`, [], { method: 'POST', body: { expires_in: expiresIn, note } });
export const revokeToken = (name: string, id: string): Promise<void> => ask(`${principalPath(name)}/tokens/${encodeURIComponent(id)}`, [], { method: 'DELETE' });

export async function sessions(signal: AbortSignal): Promise<OpenSession[]> {
  return (await ask<{ sessions: OpenSession[] }>('/api/v1/sessions', [], { signal })).sessions;
}
export const endSession = (id: string): Promise<void> => ask(`/api/v1/sessions/${encodeURIComponent(id)}`, [], { method: 'DELETE' });

const relationshipPath = (id: string, call = ''): string => `/api/v1/relationships/${encodeURIComponent(id)}${call}`;

/** The most relationships that the server gives at once. */
export const RELATIONSHIPS_PAGE = 1_000;

/**
 * Relationships that the parameters name, in the order of their ids, up to so many pages; `next` is where more begin. Whoever
 * asks gets those that it may see.
 */
export async function relationships(params: Iterable<readonly [string, string]>, pages: number, signal: AbortSignal): Promise<RelationshipPage> {
  const found: Relationship[] = [];
  let next: string | null = null;
  for (let page = 0; page < pages; page += 1) {
    const paging: [string, string][] = next === null ? [] : [['after', next]];
    const answer: RelationshipPage = await ask('/api/v1/relationships', [...params, ['limit', String(RELATIONSHIPS_PAGE)], ...paging], { signal });
    found.push(...answer.relationships);
    next = answer.next;
    if (next === null) break;
  }
  return { relationships: found, next };
}
export const createRelationship = (body: NewRelationship): Promise<Relationship> => ask<Relationship>('/api/v1/relationships', [], { method: 'POST', body });
export const changeRelationship = (id: string, body: RelationshipChange): Promise<Relationship> => ask<Relationship>(relationshipPath(id), [], { method: 'PATCH', body });
export const confirmRelationship = (id: string): Promise<Relationship> => ask<Relationship>(relationshipPath(id, '/confirm'), [], { method: 'POST' });
export const withdrawRelationship = (id: string): Promise<Relationship> => ask<Relationship>(relationshipPath(id, '/withdraw'), [], { method: 'POST' });

const tenantPath = (name: string): string => `/api/v1/tenants/${encodeURIComponent(name)}`;

/** What a tenant is to relationships; of one that nothing was said of, that it is nothing. */
export const standing = (name: string, signal: AbortSignal): Promise<TenantStanding> => ask<TenantStanding>(tenantPath(name), [], { signal });
export const changeStanding = (name: string, body: TenantStandingChange): Promise<unknown> => ask(tenantPath(name), [], { method: 'PATCH', body });
