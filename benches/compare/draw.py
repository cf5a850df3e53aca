"""Draws the parameters of questions from the events themselves, by asking Annals: the same ones for the same seed.

Every repetition gets other values, so that no answer can come from a cache of answers. The tenant of most questions is
the largest, where answers are the hardest; values come from a sample of its events that is spread over the whole period.
"""

import random
from datetime import timedelta

from dialect import rfc3339
from load import END

DAYS = 120
FOUR = ["event_type", "source", "resource_type", "event_name"]
# A page has 50 events: hits that just fill it, spread over the tenant, are the hardest page.
SCATTERED = (50, 150)


class NoValue(Exception):
    """The events have no value of this kind; small sets lack some."""


class Draw:
    def __init__(self, server, tenants, seed, samples=60):
        self.server, self.tenants, self.seed, self.samples = server, tenants, seed, samples
        self.pools, self.scattered_values = {}, {}

    def dice(self, purpose, repetition):
        return random.Random(f"{self.seed} {purpose} {repetition}")

    def largest(self, repetition=0, among=1):
        return self.tenants[repetition % min(among, len(self.tenants))]

    def pool(self, tenant):
        """Events of a tenant, with their records, from moments spread over the period; all of distinct ids."""
        if tenant not in self.pools:
            dice, found = self.dice("pool", tenant), {}
            for place in range(self.samples):
                moment = END - timedelta(days=DAYS * (place + dice.random()) / self.samples)
                page = self.server.get(f"/api/v1/events?tenant={tenant}&around={rfc3339(moment)}&limit=10&original=true")
                found.update((event["trace_id"], event) for event in page["events"])
            self.pools[tenant] = list(found.values())
        return self.pools[tenant]

    def event(self, purpose, repetition, fits=lambda event: True, key=lambda event: event["trace_id"]):
        """An event of the largest tenant for which `fits` holds; in each repetition one of another key, as long as there are."""
        fitting = [event for event in self.pool(self.largest()) if fits(event)]
        if not fitting:
            raise NoValue(purpose)
        self.dice(purpose, "all").shuffle(fitting)
        distinct = list({key(event): event for event in fitting}.values())
        return distinct[repetition % len(distinct)]

    def trace(self, purpose, repetition, *fields):
        """A CTS trace that has all four dimensions and these fields; of other dimensions each time, or other values of the fields."""

        def fits(event):
            return event["format"] == "cts" and all(event.get(field) for field in [*FOUR, *fields])

        return self.event(purpose, repetition, fits, lambda event: tuple(event[field] for field in fields or FOUR))

    def distinct(self, purpose, repetition, field, fits=lambda event: True):
        """A value of a field, each distinct one in turn."""
        values = sorted({event[field] for event in self.pool(self.largest()) if event.get(field) and fits(event)})
        if not values:
            raise NoValue(purpose)
        self.dice(purpose, "all").shuffle(values)
        return values[repetition % len(values)]

    def scattered(self, repetition):
        """Conditions on dimensions that about a page of events meets, and these on many days."""
        if not self.scattered_values:
            self.scattered_values = self.find_scattered()
        if not self.scattered_values:
            raise NoValue("scattered")
        return self.scattered_values[repetition % len(self.scattered_values)]

    def find_scattered(self, enough=40):
        tenant, found, seen = self.largest(), [], set()
        for number in range(300):
            event = self.trace("scattered", number, "operator")
            chosen = {}
            for field in ["operator", "event_name", "source_ip", "code", "resource_name"]:
                asked = "&".join([f"tenant={tenant}", *(f"{name}={value}" for name, value in chosen.items())])
                values = self.server.get(f"/api/v1/facets?{asked}&fields={field}&size=100".replace(" ", "%20"))["facets"][field]
                fitting = [one["value"] for one in values if SCATTERED[0] <= one["count"] <= SCATTERED[1]]
                larger = [one["value"] for one in values if one["count"] > SCATTERED[1]]
                choices = fitting or ([event[field]] if event.get(field) in larger else larger)
                if not choices:
                    break
                chosen[field] = self.dice("scattered", f"{number} {field}").choice(choices)
                if fitting:
                    if (key := tuple(sorted(chosen.items()))) not in seen and self.spread(tenant, chosen):
                        seen.add(key)
                        found.append(chosen)
                    break
            if len(found) == enough or (number > 80 and len(found) > 8):
                break
        return found

    def spread(self, tenant, chosen):
        """Whether the events that meet these conditions lie on at least twenty days."""
        asked = "&".join([f"tenant={tenant}", "interval=1d", *(f"{name}={value}" for name, value in chosen.items())])
        buckets = self.server.get(f"/api/v1/histogram?{asked}".replace(" ", "%20"))["buckets"]
        return sum(1 for bucket in buckets if bucket["count"]) >= 20
