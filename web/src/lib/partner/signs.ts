// The kinds of evidence of an unbind, in words.
import { messages } from '../i18n/index.svelte.ts';

/** The kinds of evidence that an unbind leaves. */
export const signTexts = messages(
  {
    request: '解绑申请（CTS）',
    coupons: '券回收（类型 3）',
    account: '账户回收（BEUNBIND）',
    ledgerLine: '账务流水（BEUNBIND）',
    budget: '预算删除（DELETE）',
    lacks: '缺',
  },
  {
    request: 'Request (CTS)',
    coupons: 'Coupons recalled (type 3)',
    account: 'Account recalled (BEUNBIND)',
    ledgerLine: 'Account ledger line (BEUNBIND)',
    budget: 'Budget deleted (DELETE)',
    lacks: 'missing',
  },
);
