//! `FIELDS`: every field of an event, defined once.
//!
//! The Arrow and Delta schemas, the tantivy schema, filter parsing, facets, `GET /api/v1/fields`,
//! export headers and the documentation are all read from this table. A new field needs one row
//! here and the decoders that fill it.

use arrow::datatypes::{DataType, TimeUnit};
use std::fmt;
use std::sync::Arc;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of a few known texts; any other value in a filter is an error.
    Enum(&'static [&'static str]),
    /// True or false.
    Bool,
    /// A point in time, UTC.
    Time,
    /// A non-negative whole number.
    Integer,
    /// An exact decimal number.
    Decimal,
    /// Several texts.
    List,
}

/// How a segment finds rows by a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// The rows of one value are contiguous: the first sort key.
    Rows,
    /// Ordered within a tenant: found by binary search.
    Order,
    /// Few distinct values: a posting list for each, in the tantivy index.
    Term,
    /// Many distinct values: a sorted table of hashes and rows, verified against the row.
    Hash,
    /// Found by reading the column.
    Column,
}

/// An operator that filters can apply to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOperator {
    /// `field=a`; several values match any of them.
    Equal,
    /// `field.not=a`: everything that `field=a` does not match, absent values included.
    Not,
    /// `field.prefix=ab`.
    Prefix,
    /// `field.exists=true|false`.
    Exists,
    /// `source_ip=10.0.0.0/8`.
    Cidr,
    /// `amount.min=`, `amount.max=` (inclusive), also written `amount>=` and `amount<=`.
    Range,
}

impl FilterOperator {
    /// Returns the operator's name in `GET /api/v1/fields`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Not => "not",
            Self::Prefix => "prefix",
            Self::Exists => "exists",
            Self::Cidr => "cidr",
            Self::Range => "range",
        }
    }
}

/// One row of [`FIELDS`].
#[derive(Debug, Clone, Copy)]
pub struct FieldDef {
    /// Which field this describes.
    pub field: Field,
    /// The native name: column name, filter parameter, JSON key.
    pub name: &'static str,
    /// The name in CTS, empty where CTS has none.
    pub cts: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// How rows are found by it.
    pub index: IndexKind,
    /// The operators that filters may use on it.
    pub operators: &'static [FilterOperator],
    /// Whether its values can be counted as a facet.
    pub facet: bool,
    /// The column header of exports.
    pub header: &'static str,
    /// The label in English.
    pub en: &'static str,
    /// The label in Chinese.
    pub zh: &'static str,
}

const EXACT: &[FilterOperator] =
    &[FilterOperator::Equal, FilterOperator::Not, FilterOperator::Exists];
const NAMED: &[FilterOperator] =
    &[FilterOperator::Equal, FilterOperator::Not, FilterOperator::Prefix, FilterOperator::Exists];
const ADDRESS: &[FilterOperator] = &[
    FilterOperator::Equal,
    FilterOperator::Not,
    FilterOperator::Prefix,
    FilterOperator::Exists,
    FilterOperator::Cidr,
];
const MONEY: &[FilterOperator] =
    &[FilterOperator::Equal, FilterOperator::Not, FilterOperator::Exists, FilterOperator::Range];
const PRESENCE: &[FilterOperator] = &[FilterOperator::Exists];
const NONE: &[FilterOperator] = &[];

/// 事件类型.
pub const EVENT_TYPES: &[&str] = &["system", "data"];
/// 事件级别.
pub const LEVELS: &[&str] = &["normal", "warning", "incident"];
/// The trace types that CTS lists.
pub const TRACE_TYPES: &[&str] =
    &["ApiCall", "ConsoleAction", "SystemAction", "ObsSDK", "ObsAPI", "Others"];
/// The record formats that have decoders.
pub const FORMATS: &[&str] = &[
    "cts",
    "partner",
    "cloudtrail",
    "k8s",
    "gcp",
    "native",
    "otlp",
    "cloudevents",
    "ecs",
    "document",
    "github",
    "gitlab",
    "okta",
    "workspace",
    "m365",
    "azure",
    "ocsf",
    "actiontrail",
    "cloudaudit",
    "oci",
    "vault",
    "windows",
];

macro_rules! fields {
    ($(
        $field:ident $name:literal $cts:literal $kind:ident $(($values:ident))? $index:ident
        $operators:ident $facet:literal $en:literal $zh:literal;
    )*) => {
        /// A field of an event; its number is its index in [`FIELDS`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is described by its row in FIELDS")]
        pub enum Field { $( $field, )* }

        /// Every field, in the order of the columns.
        pub const FIELDS: &[FieldDef] = &[ $( FieldDef {
            field: Field::$field,
            name: $name,
            cts: $cts,
            kind: FieldKind::$kind $(($values))?,
            index: IndexKind::$index,
            operators: $operators,
            facet: $facet,
            header: $name,
            en: $en,
            zh: $zh,
        }, )* ];
    };
}

// field, name, CTS name, kind, index, operators, whether it is a facet, labels
//
// A new field comes last: files of earlier versions are read by the positions of their columns.
fields! {
    Tenant "tenant" "project_id" Text Rows NONE false "Tenant" "租户";
    Seq "seq" "" Integer Order NONE false "Sequence" "序号";
    TraceId "trace_id" "trace_id" Text Hash EXACT false "Event ID" "事件ID";
    Time "time" "time" Time Order NONE false "Time" "操作时间";
    RecordTime "record_time" "record_time" Time Column PRESENCE false "Recorded" "记录时间";
    IngestTime "ingest_time" "" Time Column NONE false "Accepted" "接收时间";
    TimeSuspect "time_suspect" "" Bool Term EXACT true "Time suspect" "时间存疑";
    EventType "event_type" "event_type" Enum(EVENT_TYPES) Term EXACT true "Event type" "事件类型";
    Source "source" "service_type" Text Term NAMED true "Event source" "事件来源";
    ResourceType "resource_type" "resource_type" Text Term NAMED true "Resource type" "资源类型";
    EventName "event_name" "trace_name" Text Term NAMED true "Event name" "事件名称";
    ResourceId "resource_id" "resource_id" Text Hash NAMED true "Resource ID" "资源ID";
    ResourceName "resource_name" "resource_name" Text Hash NAMED true "Resource name" "资源名称";
    Operator "operator" "user" Text Term NAMED true "Operator" "操作用户";
    Level "level" "trace_rating" Enum(LEVELS) Term EXACT true "Level" "事件级别";
    TraceType "trace_type" "trace_type" Enum(TRACE_TYPES) Term EXACT true "Trace type" "操作来源";
    Code "code" "code" Text Term NAMED true "Code" "返回码";
    SourceIp "source_ip" "source_ip" Text Term ADDRESS true "Source IP" "源IP";
    AccessKeyId "access_key_id" "access_key_id" Text Hash NAMED true "Access key" "访问密钥ID";
    RequestId "request_id" "request_id" Text Hash NAMED false "Request ID" "请求ID";
    OperationId "operation_id" "operation_id" Text Hash NAMED true "Operation ID" "操作ID";
    EnterpriseProjectId "enterprise_project_id" "enterprise_project_id" Text Term NAMED true "Enterprise project" "企业项目ID";
    TrackerName "tracker_name" "tracker_name" Text Term NAMED true "Tracker" "追踪器名称";
    ReadOnly "read_only" "read_only" Bool Term EXACT true "Read-only" "是否只读";
    ApiVersion "api_version" "api_version" Text Term NAMED true "API version" "API版本";
    RelatedIds "related_ids" "" List Hash EXACT false "Related IDs" "关联ID";
    Amount "amount" "" Decimal Column MONEY false "Amount" "金额";
    Currency "currency" "" Text Term NAMED true "Currency" "币种";
    Format "format" "" Enum(FORMATS) Term EXACT true "Format" "记录格式";
    Original "original" "" Text Column NONE false "Record" "原始记录";
    Region "region" "" Text Term NAMED true "Region" "区域";
}

/// The fields whose values are searched for words beside the record: their names need not stand in
/// it, since a decoder may give them. The other fields are ids, which are the record's own, and
/// levels and types, which are asked for by themselves.
pub const WORD_FIELDS: &[Field] =
    &[Field::Source, Field::ResourceType, Field::EventName, Field::Operator];

impl Field {
    /// The number of fields.
    pub const COUNT: usize = FIELDS.len();

    /// Returns this field's row of [`FIELDS`].
    pub fn def(self) -> &'static FieldDef {
        &FIELDS[self as usize]
    }

    /// Returns the native name.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// Returns the field with a native name.
    pub fn from_name(name: &str) -> Option<Self> {
        FIELDS.iter().find(|def| def.name == name).map(|def| def.field)
    }

    /// Returns the fields whose values are stored as text (free or in a list).
    pub fn texts() -> impl Iterator<Item = Self> {
        FIELDS.iter().filter(|def| def.is_text()).map(|def| def.field)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FieldDef {
    /// Returns whether the value is a single text; the tenant and the record itself do not count.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, FieldKind::Text | FieldKind::Enum(_))
            && !matches!(self.field, Field::Tenant | Field::Original)
    }

    /// Returns whether the column keeps dictionary codes: with few distinct values, codes are
    /// cheaper than texts.
    pub fn is_dictionary(&self) -> bool {
        matches!(self.kind, FieldKind::Text | FieldKind::Enum(_))
            && matches!(self.index, IndexKind::Term | IndexKind::Rows)
    }

    /// Returns whether every event has a value.
    pub fn is_required(&self) -> bool {
        use Field::{
            Format, IngestTime, Original, RelatedIds, Seq, Tenant, Time, TimeSuspect, TraceId,
        };
        matches!(
            self.field,
            Tenant
                | Seq
                | TraceId
                | Time
                | IngestTime
                | TimeSuspect
                | RelatedIds
                | Format
                | Original
        )
    }

    /// Returns the Arrow type of the column. Times are microseconds because Delta Lake supports no
    /// other unit.
    pub fn arrow_type(&self) -> DataType {
        match self.kind {
            FieldKind::Text | FieldKind::Enum(_) if self.is_dictionary() => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            FieldKind::Text | FieldKind::Enum(_) => DataType::Utf8,
            FieldKind::Bool => DataType::Boolean,
            FieldKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            FieldKind::Integer => DataType::Int64,
            FieldKind::Decimal => {
                DataType::Decimal128(super::AMOUNT_PRECISION, super::AMOUNT_SCALE)
            }
            FieldKind::List => DataType::List(Arc::new(list_item())),
        }
    }
}

/// The element of a list column.
pub(super) fn list_item() -> arrow::datatypes::Field {
    arrow::datatypes::Field::new("element", DataType::Utf8, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_place_in_the_table() {
        for (position, def) in FIELDS.iter().enumerate() {
            assert_eq!(def.field as usize, position, "{}", def.name);
            assert_eq!(Field::from_name(def.name), Some(def.field));
        }
    }

    #[test]
    fn names_and_labels_are_unique_and_present() {
        for (position, def) in FIELDS.iter().enumerate() {
            assert!(!def.en.is_empty() && !def.zh.is_empty() && !def.header.is_empty());
            assert!(
                FIELDS[..position].iter().all(|other| other.name != def.name
                    && other.zh != def.zh
                    && other.en != def.en)
            );
        }
    }
}
