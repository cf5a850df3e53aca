// The operations of the partner centre, in words.
import { messages } from '../i18n/index.svelte.ts';

/** Operations in words; an event name that has none is shown as it is. */
export const operations = messages(
  {
    grantCouponQuota: '发放额度',
    recallCouponQuota: '收回额度',
    couponQuotaState: '额度状态',
    issueCoupon: '发券',
    recallCoupon: '手动回收券',
    unbindRecallCoupon: '解绑自动回收券',
    expireRecallCoupon: '过期回收券',
    unsubscribeRecallCoupon: '退订回收券',
    refundRecallCoupon: '退款充值取消',
    associateRecallCoupon: '建立关联回收券',
    switchModeRecallCoupon: '关联模式切换回收券',
    transferRecallCoupon: '伙伴转移',
    grantOn: '转授下级额度',
    takeBackFrom: '从下级收回额度',
    grantAccountAmount: '账户拨款',
    retrieveAccountAmount: '账户回收',
    unbindRetrieveAccountAmount: '解绑账户回收',
    accountChangeGrant: '账务：拨款',
    accountChangeRetrieve: '账务：回收',
    accountChangeUnbindRetrieve: '账务：解绑回收',
    accountChangeAssociate: '账务：建立关联',
    setCustomerBudget: '设置预算',
    deleteCustomerBudget: '删除预算',
    applyUnbindOrSwitchCooperation: '申请解绑或切换关联模式',
    addBpInviteTraceLog: '邀请客户关联',
    customerEnter: '邀请客户注册并关联',
    confirmCustomerAgentAuthorizationApply: '确认授权申请',
    approvePartnerOrCustomerApply: '审批申请',
  },
  {
    grantCouponQuota: 'Quota granted',
    recallCouponQuota: 'Quota recalled',
    couponQuotaState: 'State of the quota',
    issueCoupon: 'Coupon issued',
    recallCoupon: 'Coupon recalled by hand',
    unbindRecallCoupon: 'Coupon recalled by unbind',
    expireRecallCoupon: 'Coupon recalled on expiry',
    unsubscribeRecallCoupon: 'Coupon recalled on unsubscribe',
    refundRecallCoupon: 'Refund: top-up cancelled',
    associateRecallCoupon: 'Coupon recalled on association',
    switchModeRecallCoupon: 'Coupon recalled on change of mode',
    transferRecallCoupon: 'Transfer between partners',
    grantOn: 'Granted on to a quota below',
    takeBackFrom: 'Recalled from a quota below',
    grantAccountAmount: 'Account: granted',
    retrieveAccountAmount: 'Account: recalled',
    unbindRetrieveAccountAmount: 'Account: recalled by unbind',
    accountChangeGrant: 'Ledger line: granted',
    accountChangeRetrieve: 'Ledger line: recalled',
    accountChangeUnbindRetrieve: 'Ledger line: recalled by unbind',
    accountChangeAssociate: 'Ledger line: association',
    setCustomerBudget: 'Budget set',
    deleteCustomerBudget: 'Budget deleted',
    applyUnbindOrSwitchCooperation: 'Unbind or change of mode requested',
    addBpInviteTraceLog: 'Customer invited to associate',
    customerEnter: 'Customer invited to register and associate',
    confirmCustomerAgentAuthorizationApply: 'Authorization confirmed',
    approvePartnerOrCustomerApply: 'Request reviewed',
  },
);

/** The words of an event name. */
export function operationLabel(eventName: string | undefined): string {
  const known: Record<string, string> = operations();
  return (eventName !== undefined && Object.hasOwn(known, eventName) ? known[eventName] : undefined) ?? eventName ?? '—';
}
