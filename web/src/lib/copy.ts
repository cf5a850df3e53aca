// Copying: exactly the text that is meant, whatever it looks like on the screen.
import { copyOf } from './safe/text.ts';

/** Copies a text; answers whether the browser let us. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The way without a secure context (http to another machine). */
function copyBySelection(text: string): boolean {
  let done = false;
  const listen = (event: ClipboardEvent): void => {
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
    event.stopImmediatePropagation();
    done = true;
  };
  document.addEventListener('copy', listen, { capture: true, once: true });
  document.execCommand('copy');
  document.removeEventListener('copy', listen, { capture: true });
  return done;
}

/** Lets what is selected and copied by hand have its hidden characters instead of their names. */
export function copyHiddenCharacters(event: ClipboardEvent): void {
  const selection = document.getSelection();
  const text = selection && copyOf(selection);
  if (text === null || text === undefined || event.defaultPrevented) return;
  event.clipboardData?.setData('text/plain', text);
  event.preventDefault();
}
