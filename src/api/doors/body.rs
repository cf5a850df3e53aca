//! Request bodies, with limits that apply before memory is used: per body, and for all together.

use super::super::App;
use super::super::trail::record_foreign;
use super::chunks::Chunks;
use super::room::{BodyRoom, TakenRoom};
use crate::access::Caller;
use crate::engine::{Engine, HeardStatements, Outcome, RequestKey};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Coding, DecodedBatch, IncomingRecord, RecordSplitter, Unpacked};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a delivery waits until what it says of relationships is weighed.
const EVIDENCE_WAIT: Duration = Duration::from_secs(30);

/// The limits of a door's bodies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The maximum bytes on the wire.
    pub(super) wire: usize,
    /// The maximum bytes after decompression.
    pub(super) unpacked: u64,
    /// How many bytes of memory a byte of the body may need while it is read.
    pub(super) growth: u64,
}

impl Default for Bounds {
    /// 64 MiB on the wire, 512 MiB after decompression, and one byte of memory per byte.
    fn default() -> Self {
        Self { wire: 64 << 20, unpacked: 512 << 20, growth: 1 }
    }
}

/// The maximum compression ratio of a body.
const UNPACKED_RATIO_MAX: u64 = 200;
/// Below this decompressed size, the ratio does not matter.
const UNPACKED_BYTES_FREE: u64 = 1 << 20;
/// What a record needs in addition to its bytes while it is ingested: as a record, as an event, and
/// in the answer.
const RECORD_BYTES: u64 = 2 << 10;
/// How many times a record's bytes are in memory while it is ingested: in the event, in its fields,
/// in the log.
const RECORD_COPIES: u64 = 3;
/// Room is reserved in steps of this many bytes.
const STEP_BYTES: u64 = 256 << 10;
/// How many bytes of what it has unpacked a decoder of zstd may keep, besides those that it gave
/// out: its window.
const ZSTD_KEEPS: u64 = 8 << 20;

/// A body as it was received, and the room reserved for it.
#[derive(Debug)]
pub(super) struct PackedBody {
    bytes: Chunks,
    coding: Coding,
    limit: u64,
    growth: u64,
    /// The room, released when the body is done with.
    taken: TakenRoom,
    /// How much of it was reserved for the received bytes.
    arrived: u64,
}

impl App {
    /// Ingests a body's records. `decode` turns them into a batch on a blocking thread, together
    /// with a value of its own that is returned beside the outcome. It is called again if the body
    /// turns out to be large and must wait for its turn. While the batch waits for its turn, for
    /// room and for the disk, no thread is held.
    ///
    /// # Errors
    /// The errors of `decode`; a tenant that is not the caller's to deliver for; no room for the
    /// body; a limit of a tenant; the errors of the engine for the batch.
    pub(super) async fn take_in<T: Send + 'static>(
        &self,
        source: &'static str,
        caller: &Caller,
        mut body: PackedBody,
        mut decode: impl FnMut(
            &Engine,
            &mut PackedBody,
        ) -> Result<(DecodedBatch, Option<RequestKey>, T)>
        + Send
        + 'static,
    ) -> Result<(Outcome, T)> {
        loop {
            if body.taken.needs_turn() || body.taken.has_outgrown() {
                body.taken.take_turn().await?;
            }
            let teller = caller.clone();
            let begun = move |engine: &Engine| {
                let decoded = decode(engine, &mut body).and_then(|(mut batch, request, beside)| {
                    let said = engine.statements_of(&teller, &mut batch)?;
                    Ok((batch, request, beside, said))
                });
                Ok((decoded, body, decode))
            };
            let decoded;
            (decoded, body, decode) = self.run(begun).await?;
            if body.taken.has_outgrown() {
                body.taken.shrink(body.taken.bytes() - body.arrived);
                continue;
            }
            let (batch, request, beside, said) = decoded?;
            record_foreign(self, caller, (source, &batch.foreign)).await?;
            let of_tenants = self.limits.has_deliveries().then(|| bytes_of_tenants(&batch));
            if let Some(bytes) = &of_tenants {
                self.limits.deliver(bytes).await?;
            }
            // The batch keeps the room of the bytes that it was built from until it is durable.
            drop(body.bytes);
            let outcome = self.engine.submit(batch, source, request).await;
            let outcome = outcome?;
            if let Some(bytes) = &of_tenants {
                self.limits.delivered(bytes);
            }
            // Only now are the events durable that are the evidence. If this fails, the sender
            // sends them again.
            if said.is_empty() {
                return Ok((outcome, beside));
            }
            let outcome = self.weigh(caller.clone(), said, outcome).await?;
            drop(body.taken);
            return Ok((outcome, beside));
        }
    }

    /// Weighs what a delivery says of relationships. Deliveries take turns, without a thread while
    /// they wait, and whoever has the turn weighs what all of them say.
    async fn weigh(
        &self,
        caller: Caller,
        said: HeardStatements,
        outcome: Outcome,
    ) -> Result<Outcome> {
        let heard = self.run(move |engine| Ok((engine.hear(&caller, said, &outcome)?, outcome)));
        let (ticket, outcome) = heard.await?;
        let Some(ticket) = ticket else { return Ok(outcome) };
        let turn = Arc::clone(&self.evidence).acquire_owned();
        let Ok(turn) = tokio::time::timeout(EVIDENCE_WAIT, turn).await else {
            let what = "what the delivery says of relationships has not been weighed yet: send it \
                again";
            return Err(Error::new(ErrorKind::Unavailable, what));
        };
        if let Some(weighed) = ticket.outcome() {
            return weighed.map(|()| outcome);
        }
        // The turn ends with the work, and not with a sender that hangs up.
        let weighed = self.run(move |engine| {
            let _turn = turn;
            engine.weigh_evidence(&ticket)
        });
        weighed.await.map(|()| outcome)
    }
}

impl PackedBody {
    /// Reads a body within limits. Room is reserved for the bytes that have arrived.
    ///
    /// # Errors
    /// A body that is too large, did not arrive, or has an unknown content coding; no room for it.
    pub(super) async fn read(
        app: &App,
        headers: &HeaderMap,
        body: Body,
        bounds: Bounds,
    ) -> Result<Self> {
        let coding = headers
            .get(header::CONTENT_ENCODING)
            .map(|value| Coding::from_header(value.to_str().unwrap_or("?")))
            .transpose()?;
        let mut taken = app.room.enter();
        let bytes = collect(body, bounds.wire, &mut taken).await?;
        let coding = coding.unwrap_or_else(|| Coding::of_bytes(bytes.start()));
        let limit = match coding {
            Coding::Identity => (bytes.len() as u64).min(bounds.unpacked),
            _ => bounds
                .unpacked
                .min((bytes.len() as u64 * UNPACKED_RATIO_MAX).max(UNPACKED_BYTES_FREE)),
        };
        let arrived = taken.bytes();
        Ok(Self { bytes, coding, limit, growth: bounds.growth, taken, arrived })
    }

    /// Returns the body's records. From then on, only these need room.
    ///
    /// # Errors
    /// A body that cannot be decompressed to its end, or is too large then; no room for its
    /// records.
    pub(super) fn records(&mut self) -> Result<Vec<IncomingRecord>> {
        // The bytes are kept until this is done, because it may have to start again.
        let unpacked = Unpacked::new(self.bytes.reader(), self.coding, self.limit)?;
        let mut metered = Metered::new(unpacked, &mut self.taken, self.coding);
        let mut records = Vec::new();
        let mut splitter = RecordSplitter::new(&mut metered);
        let split = loop {
            match splitter.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if let Err(cause) = splitter.input().pay_records(records.len() as u64) {
                break Err(Error::invalid("no room").because(cause));
            }
        };
        if let Some(refused) = metered.refused.take() {
            return Err(refused);
        }
        split?;
        drop(metered);
        self.bytes = Chunks::default();
        self.taken.shrink(self.arrived);
        Ok(records)
    }

    /// Returns the decompressed body, all at once.
    ///
    /// # Errors
    /// A body that cannot be decompressed to its end, or is too large then; no room for it.
    pub(super) fn whole(&mut self) -> Result<Bytes> {
        if self.coding == Coding::Identity && self.bytes.len() as u64 <= self.limit {
            let grown = self.bytes.len() as u64 * (self.growth - 1);
            self.taken.grow_blocking(grown)?;
            return self.bytes.join_blocking(&mut self.taken, grown);
        }
        let unpacked = Unpacked::new(self.bytes.reader(), self.coding, self.limit)?;
        let mut metered = Metered::new(unpacked, &mut self.taken, self.coding);
        metered.copies = self.growth;
        let mut gathered = Chunks::default();
        let read = metered.read_into(&mut gathered);
        if let Some(refused) = metered.refused.take() {
            return Err(refused);
        }
        read.map_err(|cause| {
            let kind = if cause.kind() == io::ErrorKind::FileTooLarge {
                ErrorKind::TooLarge
            } else {
                ErrorKind::Invalid
            };
            Error::new(kind, "the body cannot be unpacked").because(cause)
        })?;
        let grown = gathered.len() as u64 * (self.growth - 1);
        gathered.join_blocking(&mut self.taken, grown)
    }

    /// Reserves the room for records that a door builds from the body.
    ///
    /// # Errors
    /// No room for them.
    pub(super) fn hold(&mut self, records: usize, bytes: usize) -> Result<()> {
        self.taken.grow_blocking(weight(records as u64, bytes as u64))
    }
}

/// Returns how many bytes of records a batch has for each tenant.
fn bytes_of_tenants(batch: &DecodedBatch) -> BTreeMap<Box<str>, u64> {
    let events = batch.events.iter().map(|event| (&*event.tenant, event.original.len()));
    let rejected = batch.rejected.iter();
    let rejected = rejected.filter_map(|record| Some((&**record.tenant.as_ref()?, record)));
    let rejected = rejected.map(|(tenant, record)| (tenant, record.bytes.len()));
    let mut bytes: BTreeMap<Box<str>, u64> = BTreeMap::new();
    for (tenant, length) in events.chain(rejected) {
        match bytes.get_mut(tenant) {
            Some(sum) => *sum += length as u64,
            None => drop(bytes.insert(tenant.into(), length as u64)),
        }
    }
    bytes
}

/// Returns the room that records need while they are ingested.
fn weight(records: u64, bytes: u64) -> u64 {
    records * RECORD_BYTES + bytes * RECORD_COPIES
}

/// Reads all bytes of a body, reserving room for those that have arrived.
async fn collect(mut body: Body, limit: usize, taken: &mut TakenRoom) -> Result<Chunks> {
    let too_large = || {
        Error::new(
            ErrorKind::TooLarge,
            format!("the body is larger than {limit} bytes: send it in parts"),
        )
    };
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(too_large());
    }
    let mut all = Chunks::default();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|cause| Error::invalid("the body did not arrive completely").because(cause))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(too_large());
        }
        let needed = all.needed(data.len());
        if needed > 0 {
            taken.grow(needed as u64).await?;
        }
        all.push(&data);
    }
    Ok(all)
}

/// A stream that reserves room for what is read from it.
struct Metered<'a, R> {
    input: R,
    taken: &'a mut TakenRoom,
    copies: u64,
    /// How much of what was read the decoder keeps at most.
    kept: u64,
    /// The bytes read, the records they contain, and the room reserved for them.
    read: u64,
    records: u64,
    paid: u64,
    /// Why there was no more room.
    refused: Option<Error>,
}

impl<'a, R: BufRead> Metered<'a, R> {
    fn new(input: R, taken: &'a mut TakenRoom, coding: Coding) -> Self {
        let kept = if coding == Coding::Zstd { ZSTD_KEEPS } else { 0 };
        let (copies, refused) = (RECORD_COPIES, None);
        Self { input, taken, copies, kept, read: 0, records: 0, paid: 0, refused }
    }

    /// Reads everything.
    fn read_into(&mut self, gathered: &mut Chunks) -> io::Result<()> {
        loop {
            let read = match self.fill_buf() {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read.is_empty() {
                return Ok(());
            }
            gathered.push(read);
            let count = read.len();
            self.consume(count);
        }
    }

    /// Reserves the room that records need in addition to their bytes.
    fn pay_records(&mut self, records: u64) -> io::Result<()> {
        self.records = records;
        self.pay()
    }

    fn pay(&mut self) -> io::Result<()> {
        let kept = self.read.min(self.kept);
        let needed = self.read * self.copies + self.records * RECORD_BYTES + kept;
        if needed <= self.paid {
            return Ok(());
        }
        // A small body reserves no more than it needs, so that it stays small.
        let step = if needed <= STEP_BYTES {
            needed - self.paid
        } else {
            (needed - self.paid).max(STEP_BYTES)
        };
        self.taken.grow_blocking(step).map_err(|error| {
            self.refused = Some(error);
            io::Error::other("no room")
        })?;
        self.paid += step;
        Ok(())
    }
}

impl<R: BufRead> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.pay()?;
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.read += count as u64;
        self.input.consume(count);
    }
}

impl App {
    /// Reads a whole body of at most `limit` bytes that asks or sets something.
    ///
    /// # Errors
    /// A larger one, or one that did not arrive; no room for it.
    pub(in super::super) async fn read_body(&self, body: Body, limit: usize) -> Result<Bytes> {
        let mut room = self.query_room.enter();
        collect(body, limit, &mut room).await?.join_in(&mut room).await
    }

    /// Reads a whole body of at most `limit` bytes into some room, to be looked at before it is
    /// passed on.
    ///
    /// # Errors
    /// As [`App::read_body`].
    pub(in super::super) async fn hold_body(
        &self,
        body: Body,
        limit: usize,
        room: &BodyRoom,
    ) -> Result<HeldBody> {
        let mut room = room.enter();
        let bytes = collect(body, limit, &mut room).await?.join_in(&mut room).await?;
        Ok(HeldBody { bytes, _room: room })
    }
}

/// A body that has arrived and is read again; it has its room until then.
#[derive(Debug)]
pub(in super::super) struct HeldBody {
    bytes: Bytes,
    _room: TakenRoom,
}

impl HeldBody {
    /// Returns the bytes of the body.
    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Moves the body into other room.
    ///
    /// # Errors
    /// No room for it there.
    pub(in super::super) async fn moved_to(self, room: &BodyRoom) -> Result<Self> {
        let mut taken = room.enter();
        taken.grow(self.bytes.len() as u64).await?;
        Ok(Self { bytes: self.bytes, _room: taken })
    }
}

impl hyper::body::Body for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
