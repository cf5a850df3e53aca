//! The actions of our commits, and the columns of the table.

use super::super::paths;
use super::super::segment::{Manifest, TenantRows};
use crate::event::{FieldDef, FieldKind, Timestamp};
use deltalake::kernel::{Add, ArrayType, DataType, PrimitiveType, Remove, StructField};
use serde_json::json;
use std::collections::HashMap;

/// The column that the table is partitioned by; its value is in the path of a file, not in the
/// file.
pub(super) const PARTITION: &str = "date";

pub(super) fn column(def: &FieldDef) -> StructField {
    let primitive = |primitive: PrimitiveType| DataType::Primitive(primitive);
    let kind = match def.kind {
        FieldKind::Text | FieldKind::Enum(_) => primitive(PrimitiveType::String),
        FieldKind::Bool => primitive(PrimitiveType::Boolean),
        FieldKind::Time => primitive(PrimitiveType::Timestamp),
        FieldKind::Integer => primitive(PrimitiveType::Long),
        FieldKind::Decimal => primitive(
            PrimitiveType::decimal(
                crate::event::AMOUNT_PRECISION,
                crate::event::AMOUNT_SCALE as u8,
            )
            .expect("the constants are a decimal type"),
        ),
        FieldKind::List => {
            DataType::Array(Box::new(ArrayType::new(primitive(PrimitiveType::String), false)))
        }
    };
    StructField::new(def.name, kind, !def.is_required())
}

pub(super) fn remove(manifest: &Manifest, data_change: bool, now: Timestamp) -> Remove {
    Remove {
        path: paths::data_in_table(&manifest.date, &manifest.id),
        data_change,
        deletion_timestamp: Some(now.millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::from([(
            PARTITION.to_owned(),
            Some(manifest.date.clone()),
        )])),
        size: Some(manifest.data.bytes as i64),
        ..Remove::default()
    }
}

pub(super) fn add(manifest: &Manifest, now: Timestamp) -> Add {
    let newest = manifest.tenants.iter().map(|rows| rows.newest()).max().unwrap_or_default();
    let oldest = manifest.tenants.iter().map(|rows| rows.oldest()).min().unwrap_or_default();
    let tenant =
        |rows: Option<&TenantRows>| rows.map_or_else(String::new, |rows| rows.tenant.to_string());
    let stats = json!({
        "numRecords": manifest.rows,
        "minValues": { "tenant": tenant(manifest.tenants.first()), "seq": manifest.first_seq,
            "time": oldest.to_string() },
        "maxValues": { "tenant": tenant(manifest.tenants.last()), "seq": manifest.last_seq,
            "time": newest.to_string() },
        "nullCount": { "tenant": 0, "seq": 0, "time": 0 },
    });
    let tags =
        [("annals.segment", manifest.id.clone()), ("annals.sha256", manifest.data.sha256.clone())];
    Add {
        path: paths::data_in_table(&manifest.date, &manifest.id),
        partition_values: HashMap::from([(PARTITION.to_owned(), Some(manifest.date.clone()))]),
        size: manifest.data.bytes as i64,
        modification_time: now.millis(),
        data_change: true,
        stats: Some(stats.to_string()),
        tags: Some(tags.map(|(name, value)| (name.to_owned(), Some(value))).into()),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}
