//! The TCMU command ring: what the kernel puts in is decoded and answered as it expects, and no
//! content of the shared memory makes the decoder panic, leave the memory or go on for ever.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use proptest::prelude::*;
use tape_sim::error::SimError;
use tape_sim::target::{Completion, Data, Target, status};
use tape_sim::tcmu::ring::{Answer, Entry, Ring, RingError, SharedMemory};
use tape_sim::tcmu::serve::{Device, Executor};

const RING_OFFSET: usize = 128;
const RING_BYTES: usize = 1024;
const DATA_OFFSET: usize = RING_OFFSET + RING_BYTES;
const DATA_BYTES: usize = 8192;
const HEAD: usize = 12;
const TAIL: usize = 64;
/// Of a kernel that takes short reads.
const FLAGS: u16 = 3;

fn put(memory: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    assert!(memory.copy_in(at, bytes), "the test writes outside");
}

fn get<const N: usize>(memory: &Vec<u8>, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    assert!(memory.copy_out(at, &mut bytes), "the test reads outside");
    bytes
}

fn number(memory: &Vec<u8>, at: usize) -> usize {
    u32::from_ne_bytes(get(memory, at)) as usize
}

/// Memory as the kernel makes it, its head and tail at `start`.
fn empty(start: usize) -> Vec<u8> {
    let mut memory = vec![0xEE; DATA_OFFSET + DATA_BYTES];
    put(&mut memory, 0, &2_u16.to_ne_bytes());
    put(&mut memory, 2, &FLAGS.to_ne_bytes());
    put(&mut memory, 4, &(RING_OFFSET as u32).to_ne_bytes());
    put(&mut memory, 8, &(RING_BYTES as u32).to_ne_bytes());
    put(&mut memory, HEAD, &(start as u32).to_ne_bytes());
    put(&mut memory, TAIL, &(start as u32).to_ne_bytes());
    memory
}

fn advance(memory: &mut Vec<u8>, bytes: usize) {
    let head = (number(memory, HEAD) + bytes) % RING_BYTES;
    put(memory, HEAD, &(head as u32).to_ne_bytes());
}

fn header(memory: &mut Vec<u8>, len: usize, op: u32, id: u16) -> usize {
    let at = RING_OFFSET + number(memory, HEAD);
    put(memory, at, &(len as u32 | op).to_ne_bytes());
    put(memory, at + 4, &id.to_ne_bytes());
    put(memory, at + 6, &[0, 0]);
    at
}

/// Puts a command in as `queue_cmd_ring` does, padding included; returns where.
fn command(memory: &mut Vec<u8>, id: u16, cdb: &[u8], extents: &[(usize, usize)]) -> usize {
    let base = (48 + 16 * extents.len()).max(112);
    let len = base + cdb.len().next_multiple_of(8);
    let until_end = RING_BYTES - number(memory, HEAD);
    if until_end < len {
        header(memory, until_end, 0, 0);
        advance(memory, until_end);
    }
    let at = header(memory, len, 1, id);
    put(memory, at + 8, &vec![0; len - 8]);
    put(memory, at + 8, &(extents.len() as u32).to_ne_bytes());
    put(memory, at + 24, &((at + base) as u64).to_ne_bytes());
    for (number, (offset, bytes)) in extents.iter().enumerate() {
        let iov = at + 48 + 16 * number;
        put(memory, iov, &(*offset as u64).to_ne_bytes());
        put(memory, iov + 8, &(*bytes as u64).to_ne_bytes());
    }
    put(memory, at + base, cdb);
    advance(memory, len);
    at
}

fn task_management(memory: &mut Vec<u8>, function: u8, ids: &[u16]) {
    let len = (32 + 2 * ids.len()).next_multiple_of(8);
    let until_end = RING_BYTES - number(memory, HEAD);
    if until_end < len {
        header(memory, until_end, 0, 0);
        advance(memory, until_end);
    }
    let at = header(memory, len, 2, 0);
    put(memory, at + 8, &[function, 0, 0, 0]);
    put(memory, at + 12, &(ids.len() as u32).to_ne_bytes());
    for (number, id) in ids.iter().enumerate() {
        put(memory, at + 32 + 2 * number, &id.to_ne_bytes());
    }
    advance(memory, len);
}

/// What the kernel finds when it looks at the answers from `from` on, as
/// `tcmu_handle_completions` does: each command's number and status.
fn completions(memory: &Vec<u8>, from: &mut usize) -> Vec<(u16, u8)> {
    let mut found = Vec::new();
    while *from != number(memory, TAIL) {
        let at = RING_OFFSET + *from;
        let len_op = number(memory, at);
        if len_op & 7 == 1 {
            let [status] = get(memory, at + 8);
            found.push((u16::from_ne_bytes(get(memory, at + 4)), status));
        }
        *from = (*from + (len_op & !7)) % RING_BYTES;
    }
    found
}

/// What the kernel finds in an entry that has been answered.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    status: u8,
    /// Bytes read, if the answer says.
    read_bytes: Option<usize>,
    sense: [u8; 4],
}

fn answered(memory: &Vec<u8>, at: usize) -> Answered {
    let [flags] = get(memory, at + 7);
    let [status] = get(memory, at + 8);
    Answered {
        status,
        read_bytes: (flags & 2 != 0).then(|| number(memory, at + 12)),
        sense: get(memory, at + 16),
    }
}

/// A device that remembers what it was asked and answers by the CDB's second byte.
#[derive(Default)]
struct Fake {
    log: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

/// Second byte of a CDB that gets no answer.
const UNANSWERED: u8 = 9;
const SENSE: [u8; 4] = [0xF0, 0, 0x80, 9];

impl Target for Fake {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>) -> Completion {
        let said = match &data {
            Data::None => format!("{:02X}", cdb[0]),
            Data::In(buffer) => format!("{:02X} in {}", cdb[0], buffer.len()),
            Data::Out(bytes) => format!("{:02X} out {bytes:?}", cdb[0]),
            Data::Blocks(pieces) => format!("{:02X} out {pieces:?}", cdb[0]),
        };
        self.log.lock().expect("no test panics with it").push(said);
        let (status, sense) = match cdb[1] {
            UNANSWERED => return Completion::no_answer(),
            0 => (status::GOOD, Vec::new()),
            _ => (status::CHECK_CONDITION, SENSE.to_vec()),
        };
        let transferred_bytes = match data {
            Data::In(buffer) => {
                let sent = usize::from(cdb[2]).min(buffer.len());
                buffer[..sent].fill(0xAB);
                sent
            }
            _ => 0,
        };
        Completion {
            status,
            sense,
            transferred_bytes,
            answered: true,
        }
    }
}

impl Device for Fake {
    fn reset(&mut self) -> Result<(), SimError> {
        self.log
            .lock()
            .expect("no test panics with it")
            .push("reset".to_string());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SimError> {
        Ok(())
    }
}

#[test]
fn answers_say_what_the_kernel_must_know() {
    const READ: u8 = 0x08;
    let two = [(DATA_OFFSET, 6), (DATA_OFFSET + 100, 4)];
    // CDB, extents, answer, bytes of the second extent afterwards.
    let cases = [
        (
            [READ, 0, 10, 0, 0, 0],
            &two[..],
            (0, Some(10), [0; 4]),
            [0xAB; 4],
        ),
        (
            [READ, 0, 7, 0, 0, 0],
            &two[..],
            (0, Some(7), [0; 4]),
            [0xAB, 0xEE, 0xEE, 0xEE],
        ),
        (
            [READ, 1, 7, 0, 0, 0],
            &two[..],
            (2, Some(7), SENSE),
            [0xAB, 0xEE, 0xEE, 0xEE],
        ),
        // A read of nothing that ends with GOOD would hand out what was there: zeros instead.
        (
            [READ, 0, 0, 0, 0, 0],
            &two[..],
            (0, Some(10), [0; 4]),
            [0; 4],
        ),
        ([READ, 1, 0, 0, 0, 0], &two[..], (2, None, SENSE), [0xEE; 4]),
        (
            [0x0A, 0, 0, 0, 0, 0],
            &two[..],
            (0, None, [0; 4]),
            [0xEE; 4],
        ),
        ([0x00, 1, 0, 0, 0, 0], &[][..], (2, None, SENSE), [0xEE; 4]),
    ];
    for start in [0, RING_BYTES - 8, RING_BYTES - 112] {
        for (cdb, extents, (status, read_bytes, sense), second) in cases {
            let mut memory = empty(start);
            let at = command(&mut memory, 7, &cdb, extents);
            let ring = Ring::open(memory).unwrap();
            let mut executor = Executor::new(ring, Box::new(Fake::default()), DATA_BYTES);
            assert!(executor.step().unwrap(), "{cdb:?}");
            assert!(!executor.step().unwrap(), "{cdb:?}: the ring is empty");
            let memory = executor.ring_mut().memory();
            let expected = Answered {
                status,
                read_bytes,
                sense,
            };
            assert_eq!(answered(memory, at), expected, "{cdb:?}");
            assert_eq!(get(memory, DATA_OFFSET + 100), second, "{cdb:?}");
            assert_eq!(number(memory, TAIL), number(memory, HEAD), "{cdb:?}");
        }
    }
}

#[test]
fn data_goes_the_way_that_the_command_says() {
    let extent = [(DATA_OFFSET, 2)];
    let cases: [(&[u8], &str); 6] = [
        (&[0x0A, 0, 0, 0, 0, 0], "0A out [238, 238]"),
        (&[0x08, 0, 0, 0, 0, 0], "08 in 2"),
        (&[0x13, 0, 0, 0, 0, 0], "13 in 2"),
        (&[0x13, 2, 0, 0, 0, 0], "13 out [238, 238]"),
        (
            &[0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "8A out [238, 238]",
        ),
        (&[0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "B8 in 2"),
    ];
    for (cdb, expected) in cases {
        let mut memory = empty(0);
        command(&mut memory, 1, cdb, &extent);
        let fake = Fake::default();
        let log = fake.log.clone();
        Executor::new(Ring::open(memory).unwrap(), Box::new(fake), DATA_BYTES)
            .step()
            .unwrap();
        assert_eq!(*log.lock().unwrap(), [expected]);
    }
}

#[test]
fn what_a_killed_server_left_is_failed_and_not_executed() {
    let mut memory = empty(512);
    let places = [1, 2].map(|id| command(&mut memory, id, &[0x0A, 0, 0, 0, 0, 0], &[]));
    task_management(&mut memory, 1, &[]);
    let fake = Fake::default();
    let log = fake.log.clone();
    let mut executor = Executor::new(Ring::open(memory).unwrap(), Box::new(fake), DATA_BYTES);
    executor.fail_waiting().unwrap();
    assert!(log.lock().unwrap().is_empty());
    let memory = executor.ring_mut().memory();
    for at in places {
        let expected = Answered {
            status: status::CHECK_CONDITION,
            read_bytes: None,
            sense: [0x70, 0, 0x0B, 0],
        };
        assert_eq!(answered(memory, at), expected);
    }
    assert_eq!(number(memory, TAIL), number(memory, HEAD));
}

#[test]
fn resets_reach_the_device_and_aborts_are_passed() {
    let mut memory = empty(0);
    for function in [1, 5, 2] {
        task_management(&mut memory, function, &[]);
    }
    let fake = Fake::default();
    let log = fake.log.clone();
    let mut executor = Executor::new(Ring::open(memory).unwrap(), Box::new(fake), DATA_BYTES);
    while executor.step().unwrap() {}
    assert_eq!(*log.lock().unwrap(), ["reset"]);
}

#[test]
fn a_command_without_an_answer_holds_up_nothing_behind_it_until_it_is_aborted() {
    let mut memory = empty(RING_BYTES - 400);
    let mut seen = number(&memory, TAIL);
    for (id, second) in [(1, UNANSWERED), (2, 0), (3, UNANSWERED), (4, 1), (5, 0)] {
        command(&mut memory, id, &[0, second, 0, 0, 0, 0], &[]);
    }
    let fake = Fake::default();
    let log = fake.log.clone();
    let mut executor = Executor::new(Ring::open(memory).unwrap(), Box::new(fake), DATA_BYTES);
    while executor.step().unwrap() {}
    let memory = executor.ring_mut().memory_mut();
    let (good, check, aborted) = (0, 2, status::TASK_ABORTED);
    assert_eq!(
        completions(memory, &mut seen),
        [(2, good), (4, check), (5, good)]
    );
    task_management(memory, 1, &[7, 3]);
    command(memory, 6, &[0; 6], &[]);
    while executor.step().unwrap() {}
    let memory = executor.ring_mut().memory_mut();
    assert_eq!(completions(memory, &mut seen), [(3, aborted), (6, good)]);
    task_management(memory, 5, &[]);
    while executor.step().unwrap() {}
    let memory = executor.ring_mut().memory();
    assert_eq!(completions(memory, &mut seen), [(1, aborted)]);
    assert_eq!(number(memory, TAIL), number(memory, HEAD));
    assert_eq!(log.lock().unwrap().last().unwrap(), "reset");
}

#[test]
fn what_a_killed_server_left_unanswered_is_failed_by_the_next() {
    let mut memory = empty(0);
    let mut seen = 0;
    for (id, second) in [(1, UNANSWERED), (2, 0), (3, UNANSWERED), (4, 0)] {
        command(&mut memory, id, &[0, second, 0, 0, 0, 0], &[]);
    }
    let ring = Ring::open(memory).unwrap();
    let mut killed = Executor::new(ring, Box::new(Fake::default()), DATA_BYTES);
    while killed.step().unwrap() {}
    let mut memory = killed.ring_mut().memory().clone();
    assert_eq!(completions(&memory, &mut seen), [(2, 0), (4, 0)]);
    command(&mut memory, 5, &[0; 6], &[]);
    let ring = Ring::open(memory).unwrap();
    let mut next = Executor::new(ring, Box::new(Fake::default()), DATA_BYTES);
    next.fail_waiting().unwrap();
    let failed = completions(next.ring_mut().memory(), &mut seen);
    assert_eq!(failed, [(1, 2), (3, 2), (5, 2)]);
}

#[test]
fn a_server_ends_what_is_left_when_it_is_told() {
    let mut memory = empty(0);
    let mut seen = 0;
    for id in 0..6 {
        command(&mut memory, id, &[0, UNANSWERED, 0, 0, 0, 0], &[]);
    }
    let ring = Ring::open(memory).unwrap();
    let mut executor = Executor::new(ring, Box::new(Fake::default()), DATA_BYTES);
    while executor.step().unwrap() {}
    assert!(executor.end_left(|id, _| id == 2));
    assert!(!executor.end_left(|id, _| id == 2));
    assert!(executor.end_left(|_, _| true));
    let ended = completions(executor.ring_mut().memory(), &mut seen);
    let aborted = [2, 0, 1, 3, 4, 5].map(|id| (id, status::TASK_ABORTED));
    assert_eq!(ended, aborted);
}

#[test]
fn a_transfer_beyond_the_limit_does_not_get_to_the_device() {
    for (bytes, status) in [(512, 0), (513, 2)] {
        let mut memory = empty(0);
        let at = command(
            &mut memory,
            1,
            &[0x0A, 0, 0, 0, 0, 0],
            &[(DATA_OFFSET, bytes)],
        );
        let fake = Fake::default();
        let log = fake.log.clone();
        let mut executor = Executor::new(Ring::open(memory).unwrap(), Box::new(fake), 512);
        assert!(executor.step().unwrap());
        let memory = executor.ring_mut().memory();
        assert_eq!(answered(memory, at).status, status, "{bytes}");
        assert_eq!(log.lock().unwrap().is_empty(), status != 0, "{bytes}");
    }
}

#[test]
fn an_entry_that_points_outside_is_answered_with_a_failure() {
    let good = [(DATA_OFFSET, 16)];
    type Damage = fn(&mut Vec<u8>, usize);
    let cases: [(&str, Damage); 7] = [
        ("a buffer in the ring", |memory, at| {
            put(memory, at + 48, &(RING_OFFSET as u64).to_ne_bytes());
        }),
        ("a buffer beyond the end", |memory, at| {
            put(memory, at + 56, &(DATA_BYTES as u64 + 1).to_ne_bytes());
        }),
        ("a length that wraps", |memory, at| {
            put(memory, at + 56, &u64::MAX.to_ne_bytes());
        }),
        ("more buffers than the entry holds", |memory, at| {
            put(memory, at + 8, &100_u32.to_ne_bytes());
        }),
        ("a second data phase", |memory, at| {
            put(memory, at + 12, &1_u32.to_ne_bytes());
        }),
        ("a CDB before the entry", |memory, at| {
            put(memory, at + 24, &8_u64.to_ne_bytes());
        }),
        ("a CDB longer than the entry", |memory, at| {
            let opcode = usize::from_ne_bytes(get(memory, at + 24));
            put(memory, opcode, &[0x88]);
        }),
    ];
    for (name, damage) in cases {
        let mut memory = empty(0);
        let at = command(&mut memory, 1, &[0x08, 0, 0, 0, 0, 0], &good);
        damage(&mut memory, at);
        let fake = Fake::default();
        let log = fake.log.clone();
        let mut executor = Executor::new(Ring::open(memory).unwrap(), Box::new(fake), DATA_BYTES);
        assert!(executor.step().unwrap(), "{name}");
        assert!(log.lock().unwrap().is_empty(), "{name} was executed");
        let memory = executor.ring_mut().memory();
        assert_eq!(
            answered(memory, at).status,
            status::CHECK_CONDITION,
            "{name}"
        );
        assert_eq!(number(memory, TAIL), number(memory, HEAD), "{name}");
    }
}

#[test]
fn a_ring_that_cannot_be_followed_is_given_up() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 8] = [
        ("version", |memory| put(memory, 0, &1_u16.to_ne_bytes())),
        ("no short reads", |memory| {
            put(memory, 2, &1_u16.to_ne_bytes())
        }),
        ("ring in the mailbox", |memory| {
            put(memory, 4, &64_u32.to_ne_bytes())
        }),
        ("ring beyond the end", |memory| {
            put(memory, 8, &u32::MAX.to_ne_bytes())
        }),
        ("no ring", |memory| put(memory, 8, &0_u32.to_ne_bytes())),
        ("odd ring", |memory| put(memory, 8, &1021_u32.to_ne_bytes())),
        ("tail outside", |memory| {
            put(memory, TAIL, &1024_u32.to_ne_bytes())
        }),
        ("odd head", |memory| put(memory, HEAD, &4_u32.to_ne_bytes())),
    ];
    for (name, damage) in cases {
        let mut memory = empty(0);
        damage(&mut memory);
        assert!(Ring::open(memory).is_err(), "{name}");
    }
    for len in [0, 2048, 136] {
        let mut memory = empty(0);
        command(&mut memory, 1, &[0; 6], &[]);
        put(&mut memory, RING_OFFSET, &(len | 1_u32).to_ne_bytes());
        let next = Ring::open(memory).unwrap().oldest();
        assert_eq!(next, Err(RingError::EntryLength { tail: 0, len }));
    }
}

/// Serves a ring until it is empty or broken, as a server would.
fn serve_all(memory: Vec<u8>) -> Option<usize> {
    let size = memory.len();
    let mut ring = Ring::open(memory).ok()?;
    let mut entries = 0;
    while let Some(entry) = ring.oldest().ok()? {
        entries += 1;
        match entry {
            Entry::Command(request) | Entry::Malformed(request) => {
                assert!(request.cdb().len() <= 16);
                assert!(request.data_bytes() <= size);
                let mut data = vec![0; request.data_bytes()];
                ring.fetch(&request, &mut data);
                let answer = Answer {
                    status: 0,
                    sense: &[0; 300],
                    data_in: Some(&data),
                };
                ring.answer(&request, answer);
            }
            Entry::TaskManagement { place, .. } => ring.skip(place),
            Entry::Unknown(place) => ring.refuse(place),
        }
        assert!(
            entries <= size / 8,
            "more entries than the ring has room for"
        );
    }
    assert_eq!(ring.memory().size(), size);
    Some(entries)
}

proptest! {
    #[test]
    fn any_memory_is_served_within_its_bounds(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        plausible in any::<bool>(),
        ends in any::<(u16, u16)>(),
    ) {
        if plausible && bytes.len() >= DATA_OFFSET {
            let mailbox = empty(0);
            bytes[..RING_OFFSET].copy_from_slice(&mailbox[..RING_OFFSET]);
            for (at, end) in [(HEAD, ends.0), (TAIL, ends.1)] {
                let end = (usize::from(end) % RING_BYTES) & !7;
                put(&mut bytes, at, &(end as u32).to_ne_bytes());
            }
        }
        serve_all(bytes);
    }

    #[test]
    fn a_damaged_ring_is_served_within_its_bounds(
        start in 0..RING_BYTES / 8,
        commands in proptest::collection::vec((any::<[u8; 16]>(), 0..4_usize, 0..400_usize), 1..6),
        damage in proptest::collection::vec((0..DATA_OFFSET, any::<u8>()), 0..6),
    ) {
        let mut memory = empty(start * 8);
        let mut put_in = 0;
        for (cdb, extents, bytes) in &commands {
            let used = put_in * 250;
            if used + 400 < RING_BYTES {
                let extents: Vec<_> =
                    (0..*extents).map(|number| (DATA_OFFSET + number * 400, *bytes)).collect();
                let len = [6, 10, 10, 12, 16, 12, 10, 10][usize::from(cdb[0] >> 5)];
                command(&mut memory, 1, &cdb[..len], &extents);
                put_in += 1;
            }
        }
        if damage.is_empty() {
            prop_assert_eq!(serve_all(memory), Some(put_in));
        } else {
            for (at, byte) in damage {
                memory[at] = byte;
            }
            serve_all(memory);
        }
    }

    #[test]
    fn each_command_is_answered_once(
        start in 0..RING_BYTES / 8,
        turns in proptest::collection::vec((any::<bool>(), 0..4_u16), 1..40),
    ) {
        let ring = Ring::open(empty(start * 8)).unwrap();
        let mut seen = start * 8;
        let mut executor = Executor::new(ring, Box::new(Fake::default()), DATA_BYTES);
        let mut open: Vec<u16> = Vec::new();
        for (id, (unanswered, aborts)) in (0..).zip(turns) {
            let mut expected = Vec::new();
            let memory = executor.ring_mut().memory_mut();
            // The ring holds four; a host that has so many waiting aborts one.
            if (aborts == 1 || open.len() >= 4)
                && let Some(old) = open.pop()
            {
                task_management(memory, 1, &[old]);
                expected.push((old, status::TASK_ABORTED));
            }
            let second = if unanswered { UNANSWERED } else { 0 };
            command(memory, id, &[0, second, 0, 0, 0, 0], &[]);
            if unanswered {
                open.push(id);
            } else {
                expected.push((id, 0));
            }
            while executor.step().unwrap() {}
            let memory = executor.ring_mut().memory();
            prop_assert_eq!(completions(memory, &mut seen), expected);
        }
        executor.end_left(|_, _| true);
        let memory = executor.ring_mut().memory();
        let rest: Vec<_> = open.iter().map(|id| (*id, status::TASK_ABORTED)).collect();
        prop_assert_eq!(completions(memory, &mut seen), rest);
        prop_assert_eq!(number(memory, TAIL), number(memory, HEAD));
    }
}
