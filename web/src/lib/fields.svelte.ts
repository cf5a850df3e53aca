// The fields of an event, in the words of both languages. The table is the server's (GET /api/v1/fields), asked once;
// until it is there, and should it fail, this copy of the names that the screen itself uses serves.
import { fields as askFields } from './api/calls.ts';
import type { FieldInfo } from './api/types.ts';
import { locale } from './i18n/index.svelte.ts';

const NAMED = ['=', 'not', 'prefix', 'exists'];
const EXACT = ['=', 'not', 'exists'];

function row(name: string, zh: string, en: string, operators: string[], facet: boolean, kind: FieldInfo['kind'] = 'text', values?: string[]): FieldInfo {
  return { name, cts: null, kind, operators, facet, header: name, label: { zh, en }, ...(values ? { values } : {}) };
}

const KNOWN: FieldInfo[] = [
  row('tenant', '租户', 'Tenant', [], false), row('seq', '序号', 'Sequence', [], false, 'integer'),
  row('trace_id', '事件ID', 'Event ID', EXACT, false), row('time', '操作时间', 'Time', ['from', 'to', 'last'], false, 'time'),
  row('record_time', '记录时间', 'Recorded', ['exists'], false, 'time'), row('ingest_time', '接收时间', 'Accepted', [], false, 'time'),
  row('time_suspect', '时间存疑', 'Time suspect', EXACT, true, 'bool'),
  row('event_type', '事件类型', 'Event type', EXACT, true, 'enum', ['system', 'data']), row('source', '事件来源', 'Event source', NAMED, true),
  row('resource_type', '资源类型', 'Resource type', NAMED, true), row('event_name', '事件名称', 'Event name', NAMED, true),
  row('resource_id', '资源ID', 'Resource ID', NAMED, true), row('resource_name', '资源名称', 'Resource name', NAMED, true),
  row('operator', '操作用户', 'Operator', NAMED, true), row('level', '事件级别', 'Event level', EXACT, true, 'enum', ['normal', 'warning', 'incident']),
  row('trace_type', '操作来源', 'Trace type', EXACT, true, 'enum', ['ApiCall', 'ConsoleAction', 'SystemAction', 'ObsSDK', 'ObsAPI', 'Others']),
  row('code', '返回码', 'Code', NAMED, true), row('source_ip', '源IP', 'Source IP', [...NAMED, 'cidr'], true),
  row('access_key_id', '访问密钥ID', 'Access key', NAMED, true), row('request_id', '请求ID', 'Request ID', NAMED, false),
  row('operation_id', '操作ID', 'Operation ID', NAMED, true), row('enterprise_project_id', '企业项目ID', 'Enterprise project', NAMED, true),
  row('tracker_name', '追踪器名称', 'Tracker', NAMED, true), row('read_only', '是否只读', 'Read-only', EXACT, true, 'bool'),
  row('api_version', 'API版本', 'API version', NAMED, true), row('related_ids', '关联ID', 'Related IDs', EXACT, false, 'list'),
  row('amount', '金额', 'Amount', ['=', 'not', 'exists', 'range'], false, 'decimal'), row('currency', '币种', 'Currency', NAMED, true),
  row('format', '记录格式', 'Format', EXACT, true, 'enum'), row('original', '原始记录', 'Record', [], false), row('region', '区域', 'Region', NAMED, true),
];

class Fields {
  all: FieldInfo[] = $state.raw(KNOWN);
  readonly #byName = $derived(new Map(this.all.map((field) => [field.name, field])));

  /** Asks the server for its table. */
  async load(signal: AbortSignal): Promise<void> {
    try {
      this.all = await askFields(signal);
    } catch {
      // The copy serves; whatever else is asked will say what is wrong.
    }
  }

  get(name: string): FieldInfo | undefined {
    return this.#byName.get(name);
  }

  label(name: string): string {
    return this.get(name)?.label[locale.lang] ?? name;
  }
}

export const fields = new Fields();
