// Who asks, and what they may see: what the calls of access control take and answer, as the server's OpenAPI document says.
import type { components } from '../api/schema.d.ts';

type Schemas = components['schemas'];

/** What a principal may do. A server may know more of them than this page. */
export type Role = Schemas['Principal']['roles'][number];

/** How a field is masked: left out, replaced by a hash, or by its last four characters. */
export type Mask = 'hide' | 'hash' | 'last4';

/** A filter in JSON, as `POST …/query` takes it. */
export type Rows = Record<string, unknown>;

/** Settings that the page passes on with roles, fields and filters that a newer server may know. */
interface Passed {
  roles: string[];
  /** Only events that match this filter. */
  rows?: Rows;
  masks?: Record<string, Mask>;
}

/** What a principal may see of what the roles permit, and what it is known by. */
export type Grant = Passed & Omit<Schemas['Principal'], keyof Passed | 'name' | 'disabled'>;

/** `GET /api/v1/me`, and what signing in answers. Without `credentials` every caller is `operator` and may do everything. */
export type Me = Grant & Pick<Schemas['Caller'], 'name' | 'principal' | 'credentials'>;

export type Principal = Grant & Pick<Schemas['Principal'], 'name' | 'disabled'>;

/** What `PATCH /api/v1/principals/{name}` takes: null removes a setting, what is left out stays. */
export type Patch = { [K in keyof Grant]?: Grant[K] | null };

/** What a principal may use of the server. */
export type CallLimits = NonNullable<Grant['limits']>;

export type Token = Schemas['Tokens']['tokens'][number];
/** A token that was just made. The server keeps only a hash of it, so this is the one time that it is seen. */
export type NewToken = Schemas['NewToken'];
/** `GET /auth/methods`: what one may sign in with. */
export type SignInMethods = Schemas['SignInMethods'];
export type OpenSession = Schemas['Sessions']['sessions'][number];

/** A period in which a partner sees the events of a customer or reseller. */
export type Relationship = Schemas['Relationship'];
/** What was said of a relationship. */
export type RelationshipEvidence = Schemas['RelationshipEvidence'];
export type NewRelationship = Schemas['NewRelationship'];
/** null opens the end of the period; what is left out stays. */
export type RelationshipChange = Schemas['RelationshipChange'];
export type RelationshipPage = Schemas['Relationships'];

/** What a tenant is to relationships, among its settings. */
export type TenantStanding = Schemas['TenantSettingsShown'];
export type TenantStandingChange = Pick<Schemas['TenantSettings'], 'authoritative' | 'partners' | 'customers'>;
