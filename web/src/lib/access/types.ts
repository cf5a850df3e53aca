// Who asks, and what they may see: what the calls of access control take and answer. Written by hand for as long as the
// server's OpenAPI document, of which schema.d.ts is made, does not have them.

/** What a principal may do. A server may know more of them than this page. */
export type Role = 'ingest' | 'reader' | 'auditor' | 'tenant_administrator' | 'system_administrator' | 'security_administrator' | 'audit_administrator';

/** How a field is masked: left out, replaced by a hash, or by its last four characters. */
export type Mask = 'hide' | 'hash' | 'last4';

/** A filter in JSON, as `POST …/query` takes it. */
export type Rows = Record<string, unknown>;

/** What a principal may see of what the roles permit. */
export interface Grant {
  roles: string[];
  /** Names of tenants, or `*` for all. */
  tenants: string[];
  /** Only events that match this filter. */
  rows?: Rows;
  masks?: Record<string, Mask>;
  /** Whom it stands for among those that the OpenID provider vouches for: `oidc:sub:…`, `oidc:email:…`, `oidc:group:…`. */
  identities?: string[];
  /** Only events of this period; RFC 3339. */
  from?: string;
  to?: string;
  /** It sees what the relationships of this partner show. */
  partner?: string;
  /** Of the partner, the manager whose customers it sees. */
  manager?: string;
}

/** `GET /api/v1/me`, and what signing in answers. */
export interface Me extends Grant {
  /** Of one of several people that a principal stands for, its name, a slash and theirs. */
  name: string;
  /** The principal, if its name is not the whole of `name`. */
  principal?: string;
  /** Whether the server asks who one is. If not, every caller is `operator` and may do everything. */
  credentials: boolean;
}

export interface Principal extends Grant {
  name: string;
  /** Nobody is let in as it, whatever credential it has. */
  disabled?: boolean;
}

/** What `PATCH /api/v1/principals/{name}` takes: null removes a setting, what is left out stays. */
export type Patch = { [K in keyof Grant]?: Grant[K] | null };

export interface Token {
  id: string;
  principal: string;
  created: string;
  created_by: string;
  expires?: string | null;
  note?: string | null;
  last_used: string | null;
}

/** A token that was just made. The server keeps only a hash of it, so this is the one time that it is seen. */
export interface NewToken {
  id: string;
  token: string;
  expires: string | null;
}

/** `GET /auth/methods`: what one may sign in with. */
export interface SignInMethods {
  token: boolean;
  /** The provider at which one may sign in instead. */
  oidc: { name: string } | null;
}

export interface OpenSession {
  id: string;
  principal: string;
  /** The id of the token that it began with; null for a sign-in at the provider. */
  token?: string | null;
  created: string;
  last_used: string;
  address: string | null;
}

/** What was said of a relationship. */
export interface RelationshipEvidence {
  kind: string;
  says: 'began' | 'ended' | 'may_have_ended' | 'switched';
  at: string;
  effect: 'moved' | 'agrees' | 'waits' | 'contradicts' | 'alone' | 'unmatched';
}

/** A period in which a partner sees the events of a customer or reseller. */
export interface Relationship {
  id: string;
  partner: string;
  customer?: string;
  reseller?: string;
  manager?: string;
  tenants: string[];
  from: string;
  to?: string;
  state: 'recorded' | 'waiting' | 'withdrawn' | 'unmatched';
  /** What would show more of the past, and waits for an administrator. */
  waiting?: { from: string; to?: string };
  evidence: RelationshipEvidence[];
  /** Kinds of evidence that an end leaves behind, and that did not come. */
  missing: string[];
  contradicts: RelationshipEvidence[];
}

export type NewRelationship = Pick<Relationship, 'partner' | 'tenants' | 'from'> & Partial<Pick<Relationship, 'customer' | 'reseller' | 'manager' | 'to'>>;
