// Keys of the whole page. Single letters can be switched off (WCAG 2.1.4), and none fires while somebody types.
import { Persisted, isBoolean } from './persisted.svelte.ts';

export const letterKeys = new Persisted<boolean>('letter-keys', true, isBoolean);

/** Whether an input method is composing: its Enter and Escape are its own. Chrome reports 229 after the end, too. */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range'].includes(target.type);
}

type Handler = (event: KeyboardEvent) => void | false;

/**
 * Binds keys (`event.key`) while the component lives. A handler that returns false has not taken the key. Nothing fires
 * behind a modal dialog, with a modifier, or while text is being typed (Escape does).
 */
export function bindKeys(handlers: Record<string, Handler>): void {
  $effect(() => {
    const listen = (event: KeyboardEvent): void => {
      const handler = handlers[event.key];
      if (!handler || event.defaultPrevented || isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key !== 'Escape' && isTyping(event.target)) return;
      if (event.key.length === 1 && !letterKeys.value) return;
      const modal = document.querySelector('dialog:modal');
      if (modal && !modal.hasAttribute('data-keys')) return;
      if (handler(event) !== false) event.preventDefault();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  });
}
