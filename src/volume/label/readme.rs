//! The text on each tape for whoever finds it: what it is, and how to read it with
//! nothing but `mt`, `dd`, `zstd` and `tar`.

use super::Label;

/// The text, with this tape's own numbers in the commands.
pub(super) fn text(label: &Label) -> String {
    TEXT.replace("@BARCODE@", &printable(&label.barcode))
        .replace("@POOL@", &printable(&label.pool))
        .replace("@SOFTWARE@", &printable(&label.software))
        .replace("@VOLUME@", &label.volume.to_string())
        .replace(
            "@LABELLED@",
            &label
                .labelled_at
                .strftime("%Y-%m-%d %H:%M:%S UTC")
                .to_string(),
        )
        .replace("@BLOCK@", &label.block_bytes.to_string())
}

/// Without what could break a line or be mistaken for one of the placeholders.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || c == '@' { '?' } else { c })
        .collect()
}

const TEXT: &str = "\
THIS TAPE HOLDS ARCHIVED FILES. THEY CAN BE READ WITH STANDARD TOOLS ALONE.

  Barcode      @BARCODE@
  Pool         @POOL@
  Volume       @VOLUME@
  Labelled     @LABELLED@
  Block size   @BLOCK@ bytes
  Written by   @SOFTWARE@

WHAT IS ON IT

The tape is a row of tape files, each ended by a filemark. All blocks are
@BLOCK@ bytes long. Every tape file is a tar archive. Data files may be
compressed with zstd: then they begin with the bytes 28 b5 2f fd (in
hexadecimal), and zstd -d makes the archive of them. Indexes and this file
are never compressed.

  file 0        this text, and label.json: the same for programs
  file 1        data: files as they were, with owners, times and attributes
  file 2        index of file 1: what is in it, where, with digests
  file 3        data
  file 4        index of file 3
  ...           and so on to the end of the tape

Odd files are data, even ones their indexes. To restore, the data are enough.
A run of the archiver may go on over several data files, and over several
tapes: segment.json in each index names the run (job), counts its segments
(job_segment), and says where it ends (job_ends).

HOW TO RESTORE ALL OF IT

As root, in an empty directory, on Linux with GNU tar, zstd and mt (package
mt-st); zstd -dcf hands on what is not compressed as it is, and can be left out
where nothing is. /dev/nst0 is the tape drive, the form that does not rewind
by itself:

    mt -f /dev/nst0 setblk 0
    n=1
    while mt -f /dev/nst0 rewind && mt -f /dev/nst0 fsf $n &&
          dd if=/dev/nst0 bs=@BLOCK@ | zstd -dcf |
          tar -xpf - --xattrs --xattrs-include='*' --acls --numeric-owner
    do n=$((n+2)); done

The loop ends with an error message when no data file is left. Where all of a
run's data files are extracted into the same directory in their order, hard
links find the files that they belong to. bsdtar -xpf - does it as well.

To see what is in data file 1, or to copy it to disk as an archive:

    mt -f /dev/nst0 rewind
    mt -f /dev/nst0 fsf 1
    dd if=/dev/nst0 bs=@BLOCK@ | zstd -dcf | tar -tvf -

    mt -f /dev/nst0 rewind
    mt -f /dev/nst0 fsf 1
    dd if=/dev/nst0 bs=@BLOCK@ | zstd -dcf > data-1.tar

A file that was too large for what was left of a data file is in parts, named
NAME.tapewright-part-0001, -0002 and so on. Once all are extracted, this
joins them, here and below:

    find . -name '*.tapewright-part-0001' | while IFS= read -r first; do
      name=${first%.tapewright-part-0001}
      touch -r \"$first\" \"$first.time\"
      for part in \"$name\".tapewright-part-*[0-9]; do
        test \"$part\" = \"$first\" ||
          { cat \"$part\" >> \"$first\" && rm \"$part\"; }
      done
      mv \"$first\" \"$name\" && touch -r \"$first.time\" \"$name\" && rm \"$first.time\"
    done

HOW TO FIND AND CHECK ONE FILE

The index of data file 1 is tape file 2:

    mt -f /dev/nst0 rewind
    mt -f /dev/nst0 fsf 2
    dd if=/dev/nst0 bs=@BLOCK@ | tar -xf -
    cd tapewright-segment-00001
    b3sum -c B3SUMS
    zstd -d files.jsonl.zst

files.jsonl has a line for each file: its path, its digest, and where it is:
block (counted from the beginning of the tape, filemarks included), offset in
that block, and length, all of the archive's headers included. \"digest\" in
segment.json names the function of the digests: blake3, as b3sum prints it, or
sha256, as sha256sum does.
So for a line with \"block\":5, \"offset\":1024, \"length\":9216

    mt -f /dev/nst0 seek 5
    dd if=/dev/nst0 bs=@BLOCK@ | tail -c +1025 | head -c 9216 | tar -xpf -

restores this one file alone (tail counts from 1: offset plus 1). In a
compressed data file the line has \"skip\" as well: block and offset are then
where the compressed frame with the file begins, and skip is how much of its
content comes before the file. So with \"skip\":2048

    mt -f /dev/nst0 seek 5
    dd if=/dev/nst0 bs=@BLOCK@ | tail -c +1025 | zstd -dc |
      tail -c +2049 | head -c 9216 | tar -xpf -

blocks.crc32 has the CRC-32 (as in zlib) of each block of the data file, four
bytes each, the most significant first. In the same way frames.lengths has how
long each frame of a compressed data file is: one begins where the other ends,
and holds 1048576 bytes of the archive.
";
