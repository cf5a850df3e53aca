//! An `object_store` over the same files: what Delta Lake writes through it is durable when a call
//! returns.

use super::files::{Files, PutMode, sync_folder};
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, UploadPart,
};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The local store of `object_store`, with our way of writing.
#[derive(Debug)]
pub(super) struct DurableStore {
    pub(super) inner: LocalFileSystem,
    pub(super) files: Arc<Files>,
}

impl std::fmt::Display for DurableStore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("durable local files")
    }
}

fn store_error(path: &ObjectPath, cause: io::Error) -> object_store::Error {
    let path = path.to_string();
    match cause.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path, source: cause.into() }
        }
        io::ErrorKind::NotFound => object_store::Error::NotFound { path, source: cause.into() },
        _ => object_store::Error::Generic { store: "durable local files", source: cause.into() },
    }
}

impl DurableStore {
    fn publish(
        &self,
        location: &ObjectPath,
        payload: &PutPayload,
        mode: PutMode,
    ) -> object_store::Result<PutResult> {
        let target = self.inner.path_to_filesystem(location)?;
        let parts: Vec<&[u8]> = payload.iter().map(AsRef::as_ref).collect();
        self.files.publish(&target, &parts, mode).map_err(|cause| store_error(location, cause))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    fn sync(&self, location: &ObjectPath) -> object_store::Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced
            .and_then(|()| path.parent().map_or(Ok(()), sync_folder))
            .map_err(|cause| store_error(location, cause))
    }
}

type Listed = BoxStream<'static, object_store::Result<ObjectMeta>>;

/// Counts the entries of a listing.
fn counted(listed: Listed, files: Arc<Files>) -> Listed {
    let count = move |_: &object_store::Result<ObjectMeta>| {
        files.listed.fetch_add(1, Ordering::Relaxed);
    };
    listed.inspect(count).boxed()
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        match opts.mode {
            object_store::PutMode::Create => self.publish(location, &payload, PutMode::Create),
            object_store::PutMode::Overwrite => self.publish(location, &payload, PutMode::Replace),
            object_store::PutMode::Update(_) => Err(object_store::Error::NotSupported {
                source: "local files have no conditional update".into(),
            }),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let store = Self { inner: LocalFileSystem::new(), files: Arc::clone(&self.files) };
        Ok(Box::new(Upload { store, location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.files.read.fetch_add(1, Ordering::Relaxed);
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &ObjectPath,
        ranges: &[std::ops::Range<u64>],
    ) -> object_store::Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        self.inner.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        counted(self.inner.list(prefix), Arc::clone(&self.files))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&ObjectPath>,
        offset: &ObjectPath,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        counted(self.inner.list_with_offset(prefix, offset), Arc::clone(&self.files))
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync(to)
    }

    async fn rename_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: RenameOptions,
    ) -> object_store::Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync(to)
    }
}

/// A multipart upload, held in memory until it is complete: a partial file must never be visible
/// under its name.
#[derive(Debug)]
struct Upload {
    store: DurableStore,
    location: ObjectPath,
    parts: Vec<bytes::Bytes>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        Box::pin(futures::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let payload = PutPayload::from_iter(std::mem::take(&mut self.parts));
        self.store.publish(&self.location, &payload, PutMode::Replace)
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.parts.clear();
        Ok(())
    }
}
