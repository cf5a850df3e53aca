// A short word at the lower edge that goes by itself: what was done, nothing that has to be read.
class Notice {
  text = $state('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  show(text: string): void {
    this.text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.text = ''; }, 4_000);
  }
}

export const notice = new Notice();
export const notify = (text: string): void => notice.show(text);
