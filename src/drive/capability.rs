//! What a drive can do: asked when it is opened, never concluded from its name.
//!
//! No question asked here has to be answered: a drive that refuses one is used all the same,
//! and what it then does or refuses is learnt as it is used. Knows no tape.

use std::fmt::Arguments;

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::command_set::{Ability, CommandSet, Feature};
use crate::scsi::density::Density;
use crate::scsi::inquiry::{self, Designator};
use crate::scsi::log;
use crate::scsi::opcodes::parse_supported;
use crate::transport::Data;

pub(super) const VPD_BYTES: usize = 252;
const LIST_BYTES: usize = 1024;
const SUPPORTED_COMMANDS_BYTES: usize = 16 * 1024;

/// What is done with a drive that knows no LOCATE.
pub(super) const NO_LOCATE: &str = "it knows no LOCATE: it is moved by SPACE, which is slower";

/// What a drive can do, as far as it has said or shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Which commands it knows.
    pub commands: CommandSet,
    /// Codes of its vital product data pages; `None` if it does not list them.
    pub product_pages: Option<Vec<u8>>,
    /// Codes of its log pages; `None` if it does not list them.
    pub log_pages: Option<Vec<u8>>,
    /// The formats it reads and writes; empty if it does not tell. Of a format that this
    /// project does not know, name and capacity are in it.
    pub densities: Vec<Density>,
    /// The names it gives itself.
    pub names: Vec<Designator>,
    /// Whether it takes write-once cartridges.
    pub write_once: Ability,
    /// Methods of logical block protection: 1 is the Reed-Solomon CRC, 2 is CRC-32C. Empty
    /// where it has none, or does not tell.
    pub block_protection: Vec<u8>,
    /// Shortest block, in bytes.
    pub min_block_bytes: u16,
    /// Longest block that the drive itself takes, in bytes; `None` is no limit.
    pub max_block_bytes: Option<u32>,
}

impl Capabilities {
    /// Whether the drive can do this.
    #[must_use]
    pub fn can(&self, feature: Feature) -> Ability {
        self.commands.knows(feature)
    }

    /// Whether the drive has the log page `page`.
    #[must_use]
    pub fn has_log_page(&self, page: u8) -> Ability {
        match (self.can(Feature::Log), &self.log_pages) {
            (Ability::No, _) => Ability::No,
            (_, None) => Ability::Unknown,
            (_, Some(pages)) if pages.contains(&page) => Ability::Yes,
            (_, Some(_)) => Ability::No,
        }
    }

    /// What the drive cannot do that a job would use, and what follows from it.
    fn lacks(&self) -> Vec<&'static str> {
        let no = |feature| self.can(feature) == Ability::No;
        let no_page = |page| self.has_log_page(page) == Ability::No;
        let table = [
            (
                !self.commands.is_listed(),
                "it does not list its commands: what it cannot do shows when it refuses it, and \
                 how long it may take is taken from a table",
            ),
            (no(Feature::Locate16) && no(Feature::Locate10), NO_LOCATE),
            (
                no(Feature::ReadChip),
                "it reads no cartridge memory: that a tape was swapped shows by its label only",
            ),
            (
                no_page(log::PAGE_CAPACITY) && no_page(log::PAGE_VOLUME_STATISTICS),
                "it does not say how much room a tape has left: a tape is full when the drive \
                 warns of its end",
            ),
            (
                no_page(log::PAGE_ALERT_RESPONSE) && no_page(log::PAGE_TAPE_ALERT),
                "it has no TapeAlert: worn tapes and a dirty head show by errors only",
            ),
        ];
        let lacking = table.into_iter().filter(|(lacking, _)| *lacking);
        lacking.map(|(_, sentence)| sentence).collect()
    }
}

impl Drive {
    /// What this drive can do, as far as it has said or shown up to now.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Says what the drive lacks, each once.
    pub(super) fn notice_lacks(&mut self) {
        for sentence in self.capabilities.lacks() {
            self.notice(sentence.to_owned());
        }
    }

    /// Asks for what is not needed to use the drive. Needs no tape.
    ///
    /// # Errors
    ///
    /// Failures of the path.
    pub(super) fn ask_capabilities(&mut self) -> Result<(), DriveError> {
        self.ask_product_pages()?;
        let action = format_args!("asking for the drive's commands and timeouts");
        let ask = cdb::report_supported_opcodes(SUPPORTED_COMMANDS_BYTES as u32);
        let listed = self.ask(action, &ask, SUPPORTED_COMMANDS_BYTES)?;
        if let Some(commands) = listed.and_then(|data| parse_supported(&data).ok()) {
            self.timeouts.adopt(&commands);
            self.capabilities.commands.adopt(&commands);
        }
        let action = format_args!("asking for the drive's log pages");
        let pages = self.ask(action, &cdb::log_sense(log::PAGE_LIST, 1024), LIST_BYTES)?;
        let pages = pages.and_then(|data| log::parse_page_list(&data).ok());
        // A list has at least itself in it.
        self.capabilities.log_pages = pages.filter(|pages| pages.contains(&log::PAGE_LIST));
        self.capabilities.densities = match self.densities() {
            Err(error) if is_of_the_path(&error) => return Err(error),
            densities => densities.unwrap_or_default(),
        };
        self.notice_lacks();
        Ok(())
    }

    fn ask_product_pages(&mut self) -> Result<(), DriveError> {
        let pages = self.product_page(inquiry::PAGE_LIST)?;
        let pages = pages.and_then(|data| inquiry::parse_page_list(&data).ok());
        let has = |page: u8| pages.as_ref().is_some_and(|pages| pages.contains(&page));
        if has(inquiry::PAGE_IDENTIFICATION) {
            let page = self.product_page(inquiry::PAGE_IDENTIFICATION)?;
            let names = page.and_then(|data| inquiry::parse_identification(&data).ok());
            self.capabilities.names = names.unwrap_or_default();
        }
        if has(inquiry::PAGE_CAPABILITIES) {
            let page = self.product_page(inquiry::PAGE_CAPABILITIES)?;
            self.capabilities.write_once =
                match page.and_then(|data| inquiry::parse_write_once(&data).ok()) {
                    None => Ability::Unknown,
                    Some(false) => Ability::No,
                    Some(true) => Ability::Yes,
                };
        }
        if has(inquiry::PAGE_BLOCK_PROTECTION) {
            let page = self.product_page(inquiry::PAGE_BLOCK_PROTECTION)?;
            let methods = page.and_then(|data| inquiry::parse_block_protection(&data).ok());
            self.capabilities.block_protection = methods.unwrap_or_default();
        }
        self.capabilities.product_pages = pages;
        Ok(())
    }

    /// A vital product data page as it came; `None` if the drive does not give it.
    pub(super) fn product_page(&mut self, page: u8) -> Result<Option<Vec<u8>>, DriveError> {
        let action = format_args!("identifying the drive");
        self.ask(action, &cdb::inquiry_vpd(page, VPD_BYTES as u16), VPD_BYTES)
    }

    /// The answer to a question that the drive need not answer.
    fn ask(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        bytes: usize,
    ) -> Result<Option<Vec<u8>>, DriveError> {
        let mut data = vec![0; bytes];
        match self.command(action, cdb, Data::In(&mut data)) {
            Ok(got) => {
                data.truncate(got);
                Ok(Some(data))
            }
            Err(error) if is_of_the_path(&error) => Err(error),
            Err(error) => {
                tracing::debug!(drive = %self.name, %error, "a question without an answer");
                Ok(None)
            }
        }
    }
}

/// Failures after which nothing else would be answered either.
fn is_of_the_path(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::Transport | DriveErrorKind::Interrupted | DriveErrorKind::Reserved
    )
}
