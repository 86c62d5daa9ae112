//! The drive: a sequential-access device (SSC-4) around one tape.
//!
//! A handle has its drive alone, by `flock` of `drives/N/lock`. Dropping it with objects in the
//! buffer loses them, as killing the process does, and the next handle finds the drive
//! reset; [`DriveTarget::close`] lets them reach the tape first.

mod access_order;
mod address;
mod block_check;
mod buffer;
mod busy;
mod diagnostic;
mod erase;
mod failure;
mod fault;
mod format;
mod health;
mod load;
mod log;
mod maintenance;
mod motion;
mod protect;
mod report;
mod reserve;
mod security;
mod state;
mod tape;
mod transfer;
mod verify;
mod wraps;
mod write;

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::commands::CommandLog;
use crate::error::SimError;
use crate::files::try_lock;
use crate::generation::Generation;
use crate::pages::opcodes;
use crate::reservation::{access, persistent};
use crate::sense::{self, Sense};
use crate::spc;
use crate::target::{Completion, Data, Nexus, Refusal, Reply, Target, be16, complete, send};
use crate::timeline::{Timeline, Timing};
use access_order::AccessOrder;
pub use busy::{Busy, Operation};
use diagnostic::PathBuffers;
use failure::deferred;
use fault::DriveFaults;
pub use health::{CleaningWish, Direction};
use load::BayStamp;
use protect::Overwrite;
use security::{KeyFailures, Keys};
use state::{DriveState, Phase, Session};
use tape::Tape;

/// T10 vendor identification of the simulated devices.
pub const VENDOR: &str = "TAPESIM ";
/// Byte 1 of MAINTENANCE IN and OUT, and the service action of both access order commands.
const SERVICE_ACTION: u8 = 0x1F;
const ACCESS_ORDER: u8 = 0x1D;
/// The service action of READ END OF WRAP POSITION.
const WRAP_ENDS: u8 = 0x1F;

/// What the library tells a drive about itself.
#[derive(Debug, Clone)]
pub struct DriveConfig {
    /// The library's folder.
    pub library_dir: PathBuf,
    /// Drive number from 0.
    pub index: u16,
    /// Generation of the drive.
    pub generation: Generation,
    /// Unit serial number.
    pub serial: String,
    /// NAA identifier; the next number is the port's.
    pub naa: u64,
    /// Unit serial number of the library.
    pub library_serial: String,
    /// Address of the drive's element in the library.
    pub element_address: u16,
    /// Write buffer in bytes; `None`: the model's, or an eighth of a smaller
    /// cartridge.
    pub buffer_bytes: Option<u64>,
    /// How the drive's time goes on.
    pub timing: Timing,
}

/// A drive that this process has to itself.
pub struct DriveTarget {
    library_dir: PathBuf,
    index: u16,
    generation: Generation,
    serial: String,
    naa: u64,
    library_serial: String,
    element_address: u16,
    buffer_bytes: Option<u64>,
    time: Timeline,
    state: DriveState,
    /// Present exactly in [`Phase::Ready`].
    tape: Option<Tape>,
    bay_stamp: Option<BayStamp>,
    host_error: Option<String>,
    /// The last command failed because the disk below the library is full.
    host_full: bool,
    /// What ALLOW OVERWRITE has permitted.
    overwrite: Overwrite,
    access_order: AccessOrder,
    path_buffers: PathBuffers,
    /// An error of a command that ended with GOOD before it was done.
    deferred: Option<Sense>,
    /// The initiator of the present command.
    nexus: Nexus,
    keys: Keys,
    key_failures: KeyFailures,
    /// What goes wrong here.
    faults: DriveFaults,
    /// What was asked, for whoever wants to know.
    commands: CommandLog,
    /// Held as long as the handle lives.
    _lock: File,
}

impl DriveTarget {
    /// Takes the drive.
    ///
    /// # Errors
    ///
    /// `DriveBusy` if another handle has it; `Io`, `Format`, `Version` for its files.
    pub fn open(config: DriveConfig, clock: Arc<dyn Clock>) -> Result<Self, SimError> {
        let home = config
            .library_dir
            .join("drives")
            .join(config.index.to_string());
        fs::create_dir_all(&home).map_err(SimError::io(&home))?;
        let lock_path = home.join("lock");
        let Some(lock) = try_lock(&lock_path)? else {
            let pid = fs::read_to_string(&lock_path).unwrap_or_default();
            return Err(SimError::DriveBusy {
                drive: config.index,
                pid: pid.trim().parse().ok(),
            });
        };
        fs::write(&lock_path, format!("{}\n", std::process::id()))
            .map_err(SimError::io(&lock_path))?;
        let mut state = DriveState::load(&home.join("state.json"))?;
        if state.in_use {
            state.reset(sense::RESET_OCCURRED);
        }
        state.in_use = true;
        let time = Timeline::new(config.timing, clock, state.time_ns);
        let faults = DriveFaults::new(&config.library_dir, config.index);
        let commands = CommandLog::open(&config.library_dir, config.index)?;
        let mut drive = DriveTarget {
            library_dir: config.library_dir,
            index: config.index,
            generation: config.generation,
            serial: config.serial,
            naa: config.naa,
            library_serial: config.library_serial,
            element_address: config.element_address,
            buffer_bytes: config.buffer_bytes,
            time,
            state,
            tape: None,
            bay_stamp: None,
            host_error: None,
            host_full: false,
            overwrite: Overwrite::No,
            access_order: AccessOrder::default(),
            path_buffers: PathBuffers::default(),
            deferred: None,
            nexus: Nexus::HOST,
            keys: Keys::default(),
            key_failures: KeyFailures::default(),
            faults,
            commands,
            _lock: lock,
        };
        drive.watch_bay()?;
        drive.resume()?;
        Ok(drive)
    }

    /// Takes up a threaded tape again, at the position in the state.
    fn resume(&mut self) -> Result<(), SimError> {
        self.state.timestamp.resume(self.time.now_ms());
        if self.state.phase == Phase::Ready {
            let (partition, object) = (self.state.partition, self.state.object);
            let found = self.open_tape().and_then(|mut tape| {
                let moved = tape.locate_object(partition, object);
                moved.map_err(SimError::io(&tape.cartridge.folder))?;
                Ok(tape)
            });
            match found {
                Ok(tape) => self.tape = Some(tape),
                Err(_) => self.state.enter(Phase::Unreadable),
            }
        }
        self.save_state()
    }

    /// What a power failure does: buffered objects are gone, the drive wakes up at BOP with
    /// default mode parameters and unit attention 29/01.
    ///
    /// # Errors
    ///
    /// `Io` if the drive's state cannot be written.
    pub fn power_cut(&mut self) -> Result<(), SimError> {
        self.restart(sense::POWER_ON)
    }

    /// What a reset from the initiator does (a LUN or target reset): the buffer reaches the tape,
    /// then the drive is at BOP with default mode parameters and unit attention 29/00.
    ///
    /// # Errors
    ///
    /// `Io`; what could not reach the tape is lost.
    pub fn bus_reset(&mut self) -> Result<(), SimError> {
        if let Some(tape) = &mut self.tape {
            let flushed = tape.flush_what_goes();
            flushed.map_err(SimError::io(&tape.cartridge.folder))?;
            self.collect();
        }
        self.restart(sense::RESET_OCCURRED)
    }

    fn restart(&mut self, attention: sense::Code) -> Result<(), SimError> {
        self.forget_session();
        self.path_buffers = PathBuffers::default();
        let session = self
            .tape
            .take()
            .map(|tape| Session::new(&tape.cartridge.mam));
        self.state.reset(attention);
        self.keys = Keys::default();
        self.key_failures = KeyFailures::default();
        if let Some(session) = session {
            self.state.session = session;
        }
        self.resume()
    }

    /// Gives the drive back in order: the buffer reaches the tape, the position is kept.
    ///
    /// # Errors
    ///
    /// `Io`; what could not reach the tape is lost.
    pub fn close(mut self) -> Result<(), SimError> {
        if let Some(tape) = &mut self.tape {
            let flushed = tape.flush_what_goes();
            flushed.map_err(SimError::io(&tape.cartridge.folder))?;
        }
        self.give_back()
    }

    /// What the drive keeps of a mounted medium beside the state: gone with it.
    fn forget_session(&mut self) {
        self.overwrite = Overwrite::No;
        self.access_order = AccessOrder::default();
        self.deferred = None;
    }

    fn give_back(&mut self) -> Result<(), SimError> {
        self.collect();
        if let Some(mut tape) = self.tape.take() {
            self.state.partition = tape.partition();
            self.state.object = tape.object();
            self.update_mam(&mut tape);
            tape.cartridge.save_mam()?;
        }
        self.state.timestamp.keep(self.time.now_ms());
        self.state.in_use = false;
        if self.keys.any() {
            // They end with the handle, and whoever relied on them has to know.
            let gone = sense::ENCRYPTION_CHANGED_BY_EVENT;
            self.state.attentions.queue(gone);
            self.state.queue_for_others(Nexus::HOST, gone);
        }
        self.save_state()
    }

    /// Executes `cdb` as the initiator `nexus` would have it.
    pub fn execute_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion {
        let begin_ns = self.time.now_ns();
        let completion = self.answer_as(nexus, cdb, data);
        let span_ns = (begin_ns, self.time.now_ns());
        let object = self.tape.as_ref().map(Tape::object);
        self.commands.note(span_ns, cdb, &completion, object);
        completion
    }

    fn answer_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion {
        self.nexus = nexus;
        self.host_full = false;
        let before = self.state.traffic;
        let Some(reply) = self.run_with_faults(cdb, data) else {
            return Completion::no_answer();
        };
        self.note_outcome(cdb, before, &reply);
        complete(reply, self.state.modes.descriptor_sense)
    }

    /// What the host's file system said when a command last failed for its sake.
    pub fn host_error(&self) -> Option<&str> {
        self.host_error.as_deref()
    }

    /// True if the last command failed because the disk below the library is full.
    pub fn host_is_full(&self) -> bool {
        self.host_full
    }

    fn save_state(&mut self) -> Result<(), SimError> {
        self.state.time_ns = self.time.now_ns();
        let home = self.library_dir.join("drives").join(self.index.to_string());
        self.state.save(&home.join("state.json"))
    }

    fn run(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        self.watch_bay().map_err(|error| self.host_failure(error))?;
        let opcode = cdb.first().copied().unwrap_or_default();
        if !spc::passes_attention(opcode)
            && let Some(attention) = self.state.attentions(self.nexus).take()
        {
            return Err(attention.into());
        }
        opcodes::check_for(opcodes::DRIVE, &self.generation.model().timeouts, cdb)?;
        let reservations = &self.state.reservations;
        reservations.admit(self.nexus, access::of_drive(cdb))?;
        match opcode {
            0x03 => {
                let under_way = self.busy().map(|busy| busy.sense(self.time.now_ns()));
                let attention = self.state.attentions(self.nexus).take();
                let pending = attention.or_else(|| self.deferred.take()).or(under_way);
                spc::request_sense(cdb, data, &pending.unwrap_or(Sense::none()))
            }
            0x05 => self.read_block_limits(cdb, data),
            0x12 => self.inquiry(cdb, data),
            0x15 | 0x55 => self.mode_select(cdb, data),
            0x16 | 0x17 | 0x56 | 0x57 | 0x5F => self.reserve(cdb, data),
            0x5E => {
                let reply = persistent::reply(cdb, &self.state.reservations, self.naa)?;
                send(data, &reply, usize::from(be16(cdb, 7)))
            }
            0x1A | 0x5A => self.mode_sense(cdb, data),
            0x1B => self.load_unload(cdb),
            0x1E => self.prevent_allow(cdb),
            0x1C => self.receive_diagnostic(cdb, data),
            0x1D => self.send_diagnostic(cdb, data),
            0x3B => self.write_buffer(cdb, data),
            0x3C => self.read_buffer(cdb, data),
            0x44 => self.report_density(cdb, data),
            0x4C => self.log_select(cdb, data),
            0x4D => self.log_sense(cdb, data),
            0xA0 => spc::report_luns(cdb, data),
            0xA2 => self.security_in(cdb, data),
            0xA3 if cdb[1] & SERVICE_ACTION == ACCESS_ORDER => self.receive_access_order(cdb, data),
            0xA3 if cdb[1] & SERVICE_ACTION != WRAP_ENDS => self.maintenance_in(cdb, data),
            0xA4 if cdb[1] & SERVICE_ACTION != ACCESS_ORDER => self.maintenance_out(cdb, data),
            0xB5 => self.security_out(cdb, data),
            _ => self.run_on_medium(opcode, cdb, data),
        }
    }

    fn run_on_medium(&mut self, opcode: u8, cdb: &[u8], data: Data<'_>) -> Reply {
        self.require_medium()?;
        let now_ns = self.time.now_ns();
        if let Some(tape) = &mut self.tape
            && let Err(error) = tape.catch_up(now_ns)
        {
            return Err(deferred(self.write_failure(error)));
        }
        if let Some(sense) = self.deferred.take() {
            return Err(sense.into());
        }
        match opcode {
            0x00 => Ok(0),
            0x01 => self.rewind(cdb),
            0x04 => self.format_medium(cdb),
            0x08 | 0x88 => self.read(cdb, data),
            0x0B => self.set_capacity(cdb),
            0x0A | 0x8A => self.write(cdb, data),
            0x10 | 0x80 => self.write_filemarks(cdb),
            0x11 | 0x91 => self.space(cdb),
            0x13 | 0x8F => self.verify(cdb),
            0x19 | 0x93 => self.erase(cdb),
            0x2B | 0x92 => self.locate(cdb),
            0x34 => self.read_position(cdb, data),
            0x82 => self.allow_overwrite(cdb),
            0x8C => self.read_attribute(cdb, data),
            0x8D => self.write_attribute(cdb, data),
            0xA3 => self.read_wrap_ends(cdb, data),
            0xA4 => self.generate_access_order(cdb, data),
            _ => Err(Sense::illegal(sense::INVALID_OPCODE).into()),
        }
    }

    /// The mounted tape.
    ///
    /// # Errors
    ///
    /// 02/3A/00 without one.
    fn tape(&mut self) -> Result<&mut Tape, Refusal> {
        let absent = Sense::not_ready(sense::MEDIUM_NOT_PRESENT);
        self.tape.as_mut().ok_or(Refusal::from(absent))
    }
}

impl Target for DriveTarget {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>) -> Completion {
        self.execute_as(Nexus::HOST, cdb, data)
    }
}

impl fmt::Debug for DriveTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveTarget")
            .field("library_dir", &self.library_dir)
            .field("index", &self.index)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Drop for DriveTarget {
    fn drop(&mut self) {
        if self.waiting_objects() == 0 && self.state.in_use {
            // Nobody is left to hear of a failure; the next handle then finds `in_use` set.
            let _ = self.give_back();
        }
    }
}
