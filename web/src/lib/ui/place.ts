// Where a panel stands: below what it belongs to, above if there is more room, never outside the window.
const EDGE = 8;

export function place(panel: HTMLElement, anchor: Element | DOMRect | null, align: 'start' | 'end'): void {
  const at = anchor instanceof Element ? anchor.getBoundingClientRect() : anchor;
  if (!at) return;
  const { offsetWidth: width, offsetHeight: height } = panel;
  const below = innerHeight - at.bottom - EDGE - 4;
  const above = at.top - EDGE - 4;
  const up = height > below && above > below;
  const left = Math.max(EDGE, Math.min(align === 'end' ? at.right - width : at.left, innerWidth - width - EDGE));
  const room = Math.max(160, up ? above : below);
  panel.style.maxHeight = `${room}px`;
  panel.style.left = `${left}px`;
  panel.style.top = `${Math.max(EDGE, up ? at.top - 4 - Math.min(height, room) : at.bottom + 4)}px`;
}
