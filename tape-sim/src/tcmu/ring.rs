//! The command ring that `target_core_user` shares with the program that serves a device: a pure
//! decoder and encoder over [`SharedMemory`].
//!
//! Layout: mailbox, ring of entries, data area, as `include/uapi/linux/target_core_user.h` says
//! for a 64-bit host; numbers are in the host's byte order. The kernel puts entries in at the
//! head, we take them in order, answer them and move the tail. An answer stands in any entry of a
//! command that we have taken, with the number of its own command; so one that is left unanswered
//! keeps an entry, the last one taken, and holds up nothing behind it. Nothing that is read from
//! the memory is trusted: every offset and length is checked against the sizes that were read
//! once, when the ring was opened, and an entry is copied out before it is judged. Knows neither
//! SCSI nor the kernel's files.

use std::collections::VecDeque;
use std::ops::Range;

/// Mailbox (`struct tcmu_mailbox`), offsets from the beginning of the memory.
mod mailbox {
    pub const VERSION: usize = 0; // u16
    pub const FLAGS: usize = 2; // u16
    pub const RING_OFFSET: usize = 4; // u32
    pub const RING_BYTES: usize = 8; // u32
    pub const HEAD: usize = 12; // u32, the kernel's
    pub const TAIL: usize = 64; // u32, ours, on a cache line of its own
    pub const BYTES: usize = TAIL + 4;
}

/// Entry (`struct tcmu_cmd_entry`, `struct tcmu_tmr_entry`), offsets from its beginning.
mod entry {
    pub const LEN_OP: usize = 0; // u32: length, operation in the low three bits
    pub const COMMAND_ID: usize = 4; // u16
    pub const USER_FLAGS: usize = 7; // u8
    pub const HEADER_BYTES: usize = 8;
    // A command, as the kernel writes it.
    pub const IOV_COUNT: usize = 8; // u32
    pub const BIDI_COUNT: usize = 12; // u32
    pub const CDB_OFFSET: usize = 24; // u64, after a gap that aligns it
    pub const IOV: usize = 48; // array of iovec
    pub const IOV_BYTES: usize = 16; // u64 offset, u64 length
    // The same entry, answered.
    pub const STATUS: usize = 8; // u8
    pub const READ_BYTES: usize = 12; // u32
    pub const SENSE: usize = 16;
    pub const SENSE_BYTES: usize = 96;
    pub const COMMAND_BYTES: usize = SENSE + SENSE_BYTES;
    // A task management notice.
    pub const FUNCTION: usize = 8; // u8
    pub const ID_COUNT: usize = 12; // u32
    pub const TMR_BYTES: usize = 32;
    pub const ID_BYTES: usize = 2; // array of u16 behind the rest
}

const _: () = assert!(size_of::<usize>() == 8, "iovec has two 64-bit numbers");
const _: () = assert!(entry::CDB_OFFSET.is_multiple_of(8) && entry::IOV.is_multiple_of(8));
const _: () = assert!(entry::IOV == entry::CDB_OFFSET + 3 * 8);
const _: () = assert!(entry::COMMAND_BYTES == 112 && mailbox::TAIL.is_multiple_of(4));

const VERSION: u16 = 2;
/// The kernel honours [`USER_READ_LEN`].
const FLAG_READ_LEN: u16 = 1 << 1;
const OP_MASK: u32 = 0x7;
const OP_PAD: u32 = 0;
const OP_COMMAND: u32 = 1;
const OP_TASK_MANAGEMENT: u32 = 2;
/// Entries and the ring's size are multiples of this.
const ALIGN_BYTES: u32 = 8;
/// The entry's operation is not known.
const USER_UNKNOWN_OP: u8 = 1 << 0;
/// The answer says how many bytes were read.
const USER_READ_LEN: u8 = 1 << 1;

/// CDB length by the opcode's group (its upper three bits), as the kernel copies it.
const CDB_BYTES: [usize; 8] = [6, 10, 10, 12, 16, 12, 10, 10];

/// Memory that the kernel and this program see at the same time.
pub trait SharedMemory {
    /// Its size in bytes; it never changes.
    fn size(&self) -> usize;
    /// Copies out what is at `offset`; false, and nothing is copied, if that leaves the memory.
    fn copy_out(&self, offset: usize, into: &mut [u8]) -> bool;
    /// Copies in; false, and nothing is copied, if that leaves the memory.
    fn copy_in(&mut self, offset: usize, from: &[u8]) -> bool;
    /// Reads the aligned number at `offset`, and sees all that was written before it was.
    fn load(&self, offset: usize) -> Option<u32>;
    /// Writes the aligned number at `offset`, after all that was written before. False if there
    /// is no such place.
    fn store(&mut self, offset: usize, value: u32) -> bool;
}

/// Plain memory, for tests and fuzzing.
impl SharedMemory for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }

    fn copy_out(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(bytes) = span(offset, into.len()).and_then(|span| self.get(span)) else {
            return false;
        };
        into.copy_from_slice(bytes);
        true
    }

    fn copy_in(&mut self, offset: usize, from: &[u8]) -> bool {
        let Some(bytes) = span(offset, from.len()).and_then(|span| self.get_mut(span)) else {
            return false;
        };
        bytes.copy_from_slice(from);
        true
    }

    fn load(&self, offset: usize) -> Option<u32> {
        let mut bytes = [0; 4];
        (offset.is_multiple_of(4) && self.copy_out(offset, &mut bytes))
            .then(|| u32::from_ne_bytes(bytes))
    }

    fn store(&mut self, offset: usize, value: u32) -> bool {
        offset.is_multiple_of(4) && self.copy_in(offset, &value.to_ne_bytes())
    }
}

fn span(offset: usize, len: usize) -> Option<Range<usize>> {
    Some(offset..offset.checked_add(len)?)
}

/// Why a ring cannot be served any further: the kernel's side of it makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The mailbox is of another version.
    #[error("mailbox version {found}, this program speaks {VERSION}")]
    Version {
        /// Version found.
        found: u16,
    },
    /// The kernel cannot take short reads; Linux 4.17 and later can.
    #[error("the kernel takes no short reads (mailbox flags {flags:#06x}); Linux 4.17 does")]
    NoShortReads {
        /// Capability flags found.
        flags: u16,
    },
    /// Ring or mailbox do not fit the memory.
    #[error("ring of {ring_bytes} bytes at {ring_offset} in {memory_bytes} bytes of memory")]
    Layout {
        /// Offset of the ring.
        ring_offset: u32,
        /// Size of the ring.
        ring_bytes: u32,
        /// Size of the memory.
        memory_bytes: usize,
    },
    /// Head or tail is outside the ring or not aligned.
    #[error("head {head}, tail {tail} in a ring of {ring_bytes} bytes")]
    Ends {
        /// Where the kernel writes next.
        head: u32,
        /// Where we read next.
        tail: u32,
        /// Size of the ring.
        ring_bytes: u32,
    },
    /// An entry's length cannot be: what follows it cannot be found.
    #[error("entry at {tail} has the impossible length {len}")]
    EntryLength {
        /// Offset of the entry in the ring.
        tail: u32,
        /// Length it claims.
        len: u32,
    },
}

/// One piece of a command's data, in the data area.
type Extent = Range<usize>;

/// What is next in the ring. Each one is to be answered by the function that its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A SCSI command: [`Ring::answer`] or [`Ring::leave`].
    Command(Request),
    /// The initiator aborts commands or resets the unit: [`Ring::skip`].
    TaskManagement {
        /// `TCMU_TMR_*`.
        function: u8,
        /// The commands that it ends, by the kernel's numbers.
        commands: Vec<u16>,
        /// The entry.
        place: Place,
    },
    /// A command whose fields point outside the ring or the data area: [`Ring::answer`], with a
    /// failure.
    Malformed(Request),
    /// An operation that this program does not know: [`Ring::refuse`].
    Unknown(Place),
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Offset in the ring.
    at: u32,
    /// Length, padding not included.
    len: u32,
}

/// A SCSI command as it stood in the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    place: Place,
    /// The kernel's number of the command.
    pub id: u16,
    cdb: [u8; 16],
    cdb_bytes: usize,
    extents: Vec<Extent>,
    data_bytes: usize,
}

impl Request {
    /// The CDB, 6 to 16 bytes; empty for a malformed entry.
    pub fn cdb(&self) -> &[u8] {
        &self.cdb[..self.cdb_bytes]
    }

    /// Size of the data phase in bytes, never more than the data area has.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// SCSI status.
    pub status: u8,
    /// Sense data; what is beyond 96 bytes is cut.
    pub sense: &'a [u8],
    /// Data for the host; `None` if the command sends none.
    pub data_in: Option<&'a [u8]>,
}

/// The ring of one device.
#[derive(Debug)]
pub struct Ring<M> {
    memory: M,
    ring_offset: u32,
    ring_bytes: u32,
    /// Where we read next.
    next: u32,
    /// What we have taken and not given back: entries from the tail to `next`, with whether a
    /// command's. As many of commands as are left, but for the one that is being answered.
    taken: VecDeque<(Place, bool)>,
    /// Commands that are left unanswered.
    left: Vec<u16>,
}

impl<M: SharedMemory> Ring<M> {
    /// Takes up a ring where its last server left it.
    ///
    /// # Errors
    ///
    /// `Version`, `NoShortReads`, `Layout`, `Ends`.
    pub fn open(memory: M) -> Result<Self, RingError> {
        let mut head = [0; mailbox::BYTES];
        let memory_bytes = memory.size();
        let readable = memory.copy_out(0, &mut head);
        let ring_offset = u32_at(&head, mailbox::RING_OFFSET);
        let ring_bytes = u32_at(&head, mailbox::RING_BYTES);
        let end = ring_offset as usize + ring_bytes as usize;
        if !readable
            || (ring_offset as usize) < mailbox::BYTES
            || ring_bytes == 0
            || !ring_offset.is_multiple_of(ALIGN_BYTES)
            || !ring_bytes.is_multiple_of(ALIGN_BYTES)
            || end > memory_bytes
        {
            return Err(RingError::Layout {
                ring_offset,
                ring_bytes,
                memory_bytes,
            });
        }
        let found = u16_at(&head, mailbox::VERSION);
        if found != VERSION {
            return Err(RingError::Version { found });
        }
        let flags = u16_at(&head, mailbox::FLAGS);
        if flags & FLAG_READ_LEN == 0 {
            return Err(RingError::NoShortReads { flags });
        }
        let ring = Ring {
            next: u32_at(&head, mailbox::TAIL),
            memory,
            ring_offset,
            ring_bytes,
            taken: VecDeque::new(),
            left: Vec::new(),
        };
        ring.waiting_bytes()?;
        Ok(ring)
    }

    /// Bytes between what we read next and the head: entries that are not taken.
    fn waiting_bytes(&self) -> Result<u32, RingError> {
        let head = self.memory.load(mailbox::HEAD).unwrap_or(u32::MAX);
        let fits = |end: u32| end < self.ring_bytes && end.is_multiple_of(ALIGN_BYTES);
        if !fits(head) || !fits(self.next) {
            return Err(RingError::Ends {
                head,
                tail: self.next,
                ring_bytes: self.ring_bytes,
            });
        }
        Ok(if head >= self.next {
            head - self.next
        } else {
            // Both are less than the size, so this is too.
            self.ring_bytes - self.next + head
        })
    }

    /// The oldest entry that is not taken; `None` if there is none. Padding is passed over.
    ///
    /// # Errors
    ///
    /// `Ends`, `EntryLength`: the ring cannot be served any further.
    pub fn oldest(&mut self) -> Result<Option<Entry>, RingError> {
        // Each turn takes at least a header from what waits, which is bounded by the ring.
        for _ in 0..=self.ring_bytes / ALIGN_BYTES {
            let waiting = self.waiting_bytes()?;
            if waiting == 0 {
                return Ok(None);
            }
            let mut header = [0; entry::HEADER_BYTES];
            // The place is aligned and inside the ring, so a header fits.
            self.memory.copy_out(self.address(self.next), &mut header);
            let len_op = u32_at(&header, entry::LEN_OP);
            let place = Place {
                at: self.next,
                len: len_op & !OP_MASK,
            };
            let until_end = self.ring_bytes - self.next;
            if place.len == 0 || place.len > waiting.min(until_end) {
                return Err(RingError::EntryLength {
                    tail: self.next,
                    len: place.len,
                });
            }
            match len_op & OP_MASK {
                OP_PAD => self.skip(place),
                OP_COMMAND => return Ok(Some(self.command(place))),
                OP_TASK_MANAGEMENT if place.len as usize >= entry::TMR_BYTES => {
                    return Ok(Some(self.task_management(place)));
                }
                _ => return Ok(Some(Entry::Unknown(place))),
            }
        }
        Ok(None)
    }

    fn task_management(&self, place: Place) -> Entry {
        let mut bytes = vec![0; place.len as usize];
        self.memory.copy_out(self.address(place.at), &mut bytes);
        let count = u32_at(&bytes, entry::ID_COUNT) as usize;
        let ids = bytes[entry::TMR_BYTES..].chunks_exact(entry::ID_BYTES);
        Entry::TaskManagement {
            function: bytes[entry::FUNCTION],
            commands: ids.take(count).map(|id| u16_at(id, 0)).collect(),
            place,
        }
    }

    fn address(&self, in_ring: u32) -> usize {
        self.ring_offset as usize + in_ring as usize
    }

    fn data_area(&self) -> Range<usize> {
        self.address(self.ring_bytes)..self.memory.size()
    }

    fn command(&self, place: Place) -> Entry {
        let mut bytes = vec![0; place.len as usize];
        self.memory.copy_out(self.address(place.at), &mut bytes);
        let mut request = Request {
            place,
            id: u16_at(&bytes, entry::COMMAND_ID),
            cdb: [0; 16],
            cdb_bytes: 0,
            extents: Vec::new(),
            data_bytes: 0,
        };
        match self.decode(&bytes, &mut request) {
            Some(()) => Entry::Command(request),
            None => {
                request.cdb_bytes = 0;
                request.extents.clear();
                request.data_bytes = 0;
                Entry::Malformed(request)
            }
        }
    }

    /// Takes CDB and data phase from an entry; `None` if a field leaves its bounds.
    fn decode(&self, bytes: &[u8], request: &mut Request) -> Option<()> {
        if bytes.len() < entry::COMMAND_BYTES || u32_at(bytes, entry::BIDI_COUNT) != 0 {
            return None;
        }
        let count = u32_at(bytes, entry::IOV_COUNT) as usize;
        let list_bytes = count.checked_mul(entry::IOV_BYTES)?;
        let list = bytes.get(span(entry::IOV, list_bytes)?)?;
        let area = self.data_area();
        for iov in list.chunks_exact(entry::IOV_BYTES) {
            let start = usize::try_from(u64_at(iov, 0)).ok()?;
            let extent = span(start, usize::try_from(u64_at(iov, 8)).ok()?)?;
            if extent.start < area.start || extent.end > area.end {
                return None;
            }
            request.data_bytes = request.data_bytes.checked_add(extent.len())?;
            request.extents.push(extent);
        }
        if request.data_bytes > area.len() {
            return None;
        }
        // The CDB stands in the entry itself, behind the list.
        let at = usize::try_from(u64_at(bytes, entry::CDB_OFFSET)).ok()?;
        let at = at.checked_sub(self.address(request.place.at))?;
        let opcode = *bytes.get(at)?;
        let cdb = bytes.get(span(at, CDB_BYTES[usize::from(opcode >> 5)])?)?;
        request.cdb_bytes = cdb.len();
        request.cdb[..cdb.len()].copy_from_slice(cdb);
        Some(())
    }

    /// Copies the host's data of `request` into `buffer`, which has [`Request::data_bytes`] bytes
    /// or fewer.
    pub fn fetch(&self, request: &Request, mut buffer: &mut [u8]) {
        for extent in &request.extents {
            let len = extent.len().min(buffer.len());
            let (piece, rest) = buffer.split_at_mut(len);
            self.memory.copy_out(extent.start, piece);
            buffer = rest;
        }
    }

    /// Answers the command that [`Ring::oldest`] has returned, and passes it. A reply shorter than
    /// the data phase is marked so; the kernel takes no reply of 0 bytes with status GOOD, so that
    /// becomes a data phase of zeros.
    pub fn answer(&mut self, request: &Request, answer: Answer<'_>) {
        const GOOD: u8 = 0;
        let mut data = answer.data_in.unwrap_or_default();
        let zeros;
        if answer.data_in.is_some() && data.is_empty() && answer.status == GOOD {
            zeros = vec![0; request.data_bytes];
            data = &zeros;
        }
        let read_bytes = data.len().min(request.data_bytes);
        for extent in &request.extents {
            let (piece, rest) = data.split_at(extent.len().min(data.len()));
            self.memory.copy_in(extent.start, piece);
            data = rest;
        }
        self.take(request.place, true);
        self.respond(request.id, answer.status, answer.sense, read_bytes);
    }

    /// Takes a command and leaves it unanswered, until [`Ring::end`].
    pub fn leave(&mut self, request: &Request) {
        self.take(request.place, true);
        self.left.push(request.id);
    }

    /// Ends a command that was left unanswered with this status and nothing more.
    pub fn end(&mut self, id: u16, status: u8) {
        if let Some(number) = self.left.iter().position(|left| *left == id) {
            self.left.remove(number);
            self.respond(id, status, &[], 0);
        }
    }

    /// Answers a command that was taken: in the oldest entry of one.
    fn respond(&mut self, id: u16, status: u8, sense: &[u8], read_bytes: usize) {
        // What stands before it has been given back.
        let Some((place, _)) = self.taken.pop_front() else {
            return;
        };
        let at = self.address(place.at);
        // Shorter entries do not come from the kernel; then only their header is ours to write.
        if place.len as usize >= entry::COMMAND_BYTES {
            let mut response = [0; entry::COMMAND_BYTES - entry::STATUS];
            response[0] = status;
            // The data area has less than 4 GiB: the kernel's own lengths have 32 bits.
            let read_field = (read_bytes as u32).to_ne_bytes();
            let field = entry::READ_BYTES - entry::STATUS;
            response[field..field + 4].copy_from_slice(&read_field);
            let sense = &sense[..sense.len().min(entry::SENSE_BYTES)];
            let field = entry::SENSE - entry::STATUS;
            response[field..field + sense.len()].copy_from_slice(sense);
            self.memory.copy_in(at + entry::STATUS, &response);
        }
        let flags = if read_bytes > 0 { USER_READ_LEN } else { 0 };
        self.memory.copy_in(at + entry::USER_FLAGS, &[flags]);
        self.number(place, id);
        // The others stand for what is left: so the next server finds that, if this one is killed.
        let commands = self.taken.iter().filter(|(_, command)| *command);
        let numbered: Vec<_> = commands
            .map(|(place, _)| *place)
            .zip(self.left.clone())
            .collect();
        for (place, id) in numbered {
            self.number(place, id);
        }
        self.give_back();
    }

    fn number(&mut self, place: Place, id: u16) {
        let at = self.address(place.at) + entry::COMMAND_ID;
        self.memory.copy_in(at, &id.to_ne_bytes());
    }

    fn take(&mut self, place: Place, command: bool) {
        // An entry ends inside the ring or exactly at its end, where the ring begins again.
        self.next = (place.at + place.len) % self.ring_bytes;
        self.taken.push_back((place, command));
    }

    /// Gives the kernel back what comes before the oldest command that is left.
    fn give_back(&mut self) {
        while self.taken.front().is_some_and(|(_, command)| !command) {
            self.taken.pop_front();
        }
        let tail = self.taken.front().map_or(self.next, |(place, _)| place.at);
        self.memory.store(mailbox::TAIL, tail);
    }

    /// Passes an entry that needs no answer.
    pub fn skip(&mut self, place: Place) {
        self.take(place, false);
        self.give_back();
    }

    /// Tells the kernel that an operation is not known, and passes it.
    pub fn refuse(&mut self, place: Place) {
        let at = self.address(place.at) + entry::USER_FLAGS;
        self.memory.copy_in(at, &[USER_UNKNOWN_OP]);
        self.skip(place);
    }

    /// The memory below, for tests.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The memory below, for tests, which play the kernel.
    pub fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array(bytes, at))
}

/// The `N` bytes at `at`; zeros where there are none.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}
