// What every page shares: whose events, and on which wall clock. Both are in the address if they were chosen there, so
// that a link shows what its sender saw; else this browser's last choice, which is written into it.
import { Persisted, isText } from './persisted.svelte.ts';
import { router } from './router.svelte.ts';
import { browserZone, isZone } from './time/zone.ts';

const tenantChoice = new Persisted<string>('tenant', '*', isText);
const zoneChoice = new Persisted<string>('zone', '', isText);

class Context {
  /** The tenant, several separated by commas, or `*` for all. */
  readonly tenant: string = $derived(router.params.get('tenant') || '*');

  /** The IANA name of the time zone that times are shown and buckets are made in. */
  readonly zone: string = $derived.by(() => {
    const said = router.params.get('tz');
    return said !== null && isZone(said) ? said : browserZone();
  });

  /** Writes what this browser chose last into an address that does not say it, so that the address is the whole state. */
  settle(): void {
    const tenant = router.params.has('tenant') || tenantChoice.value === '*' ? {} : { tenant: tenantChoice.value };
    const known = zoneChoice.value !== '' && zoneChoice.value !== browserZone() && isZone(zoneChoice.value);
    const zone = router.params.has('tz') || !known ? {} : { tz: zoneChoice.value };
    const missing = { ...tenant, ...zone };
    if (Object.keys(missing).length > 0) router.set(missing, { replace: true });
  }

  chooseTenant(tenant: string): void {
    tenantChoice.value = tenant;
    router.set({ tenant, event: null, seq: null, tab: null, at: null });
  }

  chooseZone(zone: string): void {
    zoneChoice.value = zone;
    router.set({ tz: zone }, { replace: true });
  }

  /** The pairs that a link to another page of this screen takes along. */
  get shared(): [string, string][] {
    return ['tenant', 'tz', 'lang'].flatMap((name): [string, string][] => {
      const value = router.params.get(name);
      return value === null ? [] : [[name, value]];
    });
  }
}

export const context = new Context();
