//! Changes to what a table of an earlier version says about itself.

use super::Table;
use super::actions::column;
use crate::error::{Context, ErrorKind, Result};
use crate::event::{FIELDS, FieldDef};
use deltalake::kernel::StructField;
use std::collections::HashMap;

impl Table {
    /// Allows removals from a table of before there was retention, whose properties forbid them.
    pub(super) async fn allow_deletion(&mut self) -> Result<()> {
        let context = || "the Delta table".to_owned();
        if !self
            .table
            .snapshot()
            .context(ErrorKind::Corrupt, context)?
            .table_config()
            .append_only
            .unwrap_or(false)
        {
            return Ok(());
        }
        let properties = HashMap::from([("delta.appendOnly".to_owned(), "false".to_owned())]);
        let changed = self.table.clone().set_tbl_properties().with_properties(properties);
        let changed = changed.with_commit_properties(self.linked(self.account()));
        self.table = changed.await.context(ErrorKind::Unavailable, context)?;
        self.follow()
    }

    /// Adds the columns of fields that a table of an earlier version lacks: other readers see only
    /// the columns that the table names.
    pub(super) async fn add_new_columns(&mut self) -> Result<()> {
        let context = || "the Delta table".to_owned();
        let schema = self.table.snapshot().context(ErrorKind::Corrupt, context)?.schema();
        let lacking = |def: &&FieldDef| schema.field(def.name).is_none();
        let added: Vec<StructField> = FIELDS.iter().filter(lacking).map(column).collect();
        if added.is_empty() {
            return Ok(());
        }
        let changed = self.table.clone().add_columns().with_fields(added);
        let changed = changed.with_commit_properties(self.linked(self.account()));
        self.table = changed.await.context(ErrorKind::Unavailable, context)?;
        self.follow()
    }
}
