//! The protobuf messages of OTLP logs, with the fields that are read.
//!
//! Strings are read as bytes, which are encoded alike: one that is not UTF-8 would make the whole
//! request unreadable.
//!
//! Source: opentelemetry-proto 1.x, `collector/logs/v1/logs_service.proto`, `logs/v1/logs.proto`,
//! `common/v1/common.proto`.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportLogsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_logs: Vec<ScopeLogs>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) schema_url: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub(super) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) log_records: Vec<LogRecord>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) schema_url: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InstrumentationScope {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) version: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")]
    pub(super) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub(super) time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    pub(super) severity_number: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) severity_text: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(super) body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "7")]
    pub(super) dropped_attributes_count: u32,
    #[prost(fixed32, tag = "8")]
    pub(super) flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub(super) span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub(super) observed_time_unix_nano: u64,
    #[prost(bytes = "vec", tag = "12")]
    pub(super) event_name: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) value: Option<Any>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Any {
    #[prost(bytes = "vec", tag = "1")]
    String(Vec<u8>),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<KeyValue>,
}

/// `google.rpc.Status`: the form of errors.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// Counts the log records of a request, as far as it can be parsed, before memory is used for them.
pub(super) fn count_log_records(request: &[u8]) -> usize {
    // The fields that lead to them: resource_logs, scope_logs, log_records.
    fn within(mut message: &[u8], path: &[u32]) -> usize {
        let Some((field, below)) = path.split_first() else { return 1 };
        let mut count = 0;
        while !message.is_empty() {
            let Ok((tag, kind)) = decode_key(&mut message) else { break };
            if tag == *field && kind == WireType::LengthDelimited {
                let Ok(length) = decode_varint(&mut message) else { break };
                let Some((inner, rest)) = message.split_at_checked(length as usize) else { break };
                count += within(inner, below);
                message = rest;
            } else if skip_field(kind, tag, &mut message, DecodeContext::default()).is_err() {
                break;
            }
        }
        count
    }
    within(request, &[1, 2, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_without_being_read() {
        let scope = |records: usize| ScopeLogs {
            log_records: vec![LogRecord { flags: 1, ..LogRecord::default() }; records],
            ..ScopeLogs::default()
        };
        let logs = |records: &[usize]| ResourceLogs {
            resource: Some(Resource::default()),
            scope_logs: records.iter().map(|records| scope(*records)).collect(),
            schema_url: b"x".to_vec(),
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![logs(&[2, 0, 3]), logs(&[]), logs(&[5])],
        };
        assert_eq!(count_log_records(&request.encode_to_vec()), 10);
        assert_eq!(count_log_records(b""), 0);
        assert_eq!(count_log_records(&[0x0a, 0xff, 0xff]), 0, "broken");
    }
}
