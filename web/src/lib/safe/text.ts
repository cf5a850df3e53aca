// What hides in texts: control and format characters, look-alike letters. Event values are hostile input: nothing is
// stripped or changed, everything invisible is shown as ⟦U+XXXX⟧.

/** A stretch of a text: as it is, or one character that has to be named. */
export type Piece = { text: string; hidden: false } | { text: string; hidden: true; code: string };

// C0 and C1, soft hyphen, bidi controls and marks, zero-width and other invisible characters, spaces that look like a
// space and are another one, variation selectors, tags, lone surrogates.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|\p{Cs}/u;
const EACH = new RegExp(HIDDEN.source, 'gu');
/** Line ends and tabs are part of a text that is shown on several lines. */
const LAYOUT = /[\n\t]/;

/** The code of a character as it is shown. */
export function codeOf(letter: string): string {
  return `U+${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The pieces of a text, or null if nothing in it is hidden: the usual case, which costs one test. */
export function pieces(text: string, lines = false): Piece[] | null {
  if (!HIDDEN.test(text)) return null;
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(EACH)) {
    if (lines && LAYOUT.test(match[0])) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index), hidden: false });
    found.push({ text: match[0], hidden: true, code: codeOf(match[0]) });
    from = match.index + match[0].length;
  }
  if (found.length === 0) return null;
  if (from < text.length) found.push({ text: text.slice(from), hidden: false });
  return found;
}

/** A text for a title or a file name: one line, the hidden characters named. */
export function plain(text: string): string {
  return pieces(text)?.map((piece) => (piece.hidden ? `⟦${piece.code}⟧` : piece.text)).join('') ?? text;
}

/** Whether a text hides anything, line ends and tabs aside. */
export function hasHidden(text: string): boolean {
  if (!HIDDEN.test(text)) return false;
  for (const match of text.matchAll(EACH)) if (!LAYOUT.test(match[0])) return true;
  return false;
}

const FOREIGN = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;
const LATIN = /\p{Script=Latin}/u;
/** Letters of other scripts that look like Latin ones. */
const LIKE_LATIN = /^[аеорсхуіјѕһԁԛԝвнкмтАВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυ]+$/u;
/** Latin letters of other widths and styles, which look like plain ones and are not. */
const STYLED = /[\uff21-\uff3a\uff41-\uff5a\u{1d400}-\u{1d7ff}\u2100-\u214f]/u;

/** Whether a word in the text could be taken for another one: it mixes scripts, or only looks Latin. */
export function looksAlike(text: string): boolean {
  if (!FOREIGN.test(text)) return STYLED.test(text);
  return text.split(/[^\p{L}\p{N}]+/u).some((word) => FOREIGN.test(word) && (LATIN.test(word) || LIKE_LATIN.test(word)));
}

/** The text that a selection stands for: named characters are copied as themselves. */
export function copyOf(selection: Selection): string | null {
  if (selection.isCollapsed || selection.rangeCount === 0) return null;
  const copy = selection.getRangeAt(0).cloneContents();
  const named = copy.querySelectorAll<HTMLElement>('[data-hidden]');
  if (named.length === 0) return null;
  for (const token of named) token.textContent = String.fromCodePoint(Number(token.dataset['hidden']));
  return copy.textContent;
}
