// What is said about texts that hide something.
import { messages } from '../i18n/index.svelte.ts';

export const safeWords = messages(
  { hidden: '不可见字符，复制时保持原样', alike: '含有形似字符（混用文字），可能与另一名称混淆' },
  { hidden: 'An invisible character; copies keep it as it is', alike: 'Look-alike letters (mixed scripts): may be mistaken for another name' },
);
