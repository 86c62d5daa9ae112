//! What an index is asked: rows back out, decoded.

use uuid::Uuid;

use super::rows::{self, JobRow, ReceiptRow, RowOutline, VolumeRow};
use super::{Answer, Index, IndexError, Trouble};

impl Index {
    fn rows_under(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Answer<(Vec<u8>, Vec<u8>)>> {
        self.store
            .range(prefix, &rows::after(prefix))
            .map(|row| row.map_err(Trouble::from))
    }

    /// All receipts, in the order of their lines.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = Answer<ReceiptRow>> {
        self.rows_under(b"r").map(|row| {
            let (key, value) = row?;
            Ok(ReceiptRow::decode(&key, &value).ok_or(IndexError::Row { table: b'r' })?)
        })
    }

    /// Receipts of a volume, in the order of its segments; `last` only the last.
    pub(crate) fn receipts_of_volume(&self, volume: &Uuid, last: bool) -> Answer<Vec<ReceiptRow>> {
        let prefix = ReceiptRow::volume_prefix(volume);
        let mut keys: Vec<Vec<u8>> = Vec::new();
        if last {
            keys.extend(
                self.rows_under(&prefix)
                    .next_back()
                    .transpose()?
                    .map(|row| row.0),
            );
        } else {
            for row in self.rows_under(&prefix) {
                keys.push(row?.0);
            }
        }
        let mut receipts = Vec::with_capacity(keys.len());
        for key in keys {
            let seq = key.last_chunk::<8>().map(|seq| u64::from_be_bytes(*seq));
            let receipt = seq.map(|seq| self.receipt(seq)).transpose()?.flatten();
            receipts.push(receipt.ok_or(IndexError::Row { table: b'V' })?);
        }
        Ok(receipts)
    }

    /// The receipt in line `seq`, if it still counts.
    pub(crate) fn receipt(&self, seq: u64) -> Answer<Option<ReceiptRow>> {
        let key = ReceiptRow::key(seq);
        let value = self.store.get(&key)?;
        let row = value.map(|value| ReceiptRow::decode(&key, &value).ok_or(b'r'));
        Ok(row.transpose().map_err(|table| IndexError::Row { table })?)
    }

    /// What the footer of the file says that was merged by line `seq`; `None` if it could not be
    /// read.
    pub(crate) fn outline_of_merged(&self, seq: u64) -> Answer<Option<RowOutline>> {
        let value = self.store.get(&RowOutline::key_of_merged(seq))?;
        let row = value.map(|value| RowOutline::of_merged(&value).ok_or(b'f'));
        Ok(row.transpose().map_err(|table| IndexError::Row { table })?)
    }

    /// All volumes with the lines about them.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = Answer<(Uuid, VolumeRow)>> {
        self.rows_under(b"v").map(|row| {
            let (key, value) = row?;
            let volume = key.get(1..).and_then(|id| Uuid::from_slice(id).ok());
            let row = volume.zip(VolumeRow::decode(&value));
            Ok(row.ok_or(IndexError::Row { table: b'v' })?)
        })
    }

    /// The lines about one volume.
    pub(crate) fn volume(&self, volume: &Uuid) -> Answer<Option<VolumeRow>> {
        let value = self.store.get(&VolumeRow::key(volume))?;
        let row = value.map(|value| VolumeRow::decode(&value).ok_or(b'v'));
        Ok(row.transpose().map_err(|table| IndexError::Row { table })?)
    }

    /// Volumes ever labelled with a barcode, the newest label first.
    pub(crate) fn volumes_with_barcode(&self, barcode: &str) -> Answer<Vec<Uuid>> {
        let mut volumes = Vec::new();
        for row in self.rows_under(&rows::barcode_prefix(barcode)).rev() {
            let volume = Uuid::from_slice(&row?.1);
            volumes.push(volume.map_err(|_| IndexError::Row { table: b'b' })?);
        }
        Ok(volumes)
    }

    /// All jobs with the lines about them, in no useful order.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = Answer<JobRow>> {
        self.rows_under(b"j")
            .map(|row| Ok(JobRow::decode(&row?.1).ok_or(IndexError::Row { table: b'j' })?))
    }

    /// The lines about one job.
    pub(crate) fn job(&self, job: &Uuid) -> Answer<Option<JobRow>> {
        let value = self.store.get(&JobRow::key(job))?;
        let row = value.map(|value| JobRow::decode(&value).ok_or(b'j'));
        Ok(row.transpose().map_err(|table| IndexError::Row { table })?)
    }
}
