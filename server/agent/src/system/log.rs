//! What this boot has to say, kept until the server has it: the agent's own lines, and the kernel's warnings.
//!
//! Bounded: where nobody takes the lines, the oldest make room. Secrets are never among them, because they never are in a
//! line of the log.

use std::{
    collections::VecDeque,
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Lines that are kept.
const LINES: usize = 500;
/// The longest of them, in bytes; the rest is cut off.
const LINE: usize = 500;
/// Records of the kernel that are read at most.
const KERNEL: usize = 20_000;
/// The priority of a warning (syslog(3)); what is more urgent has a smaller one.
const WARNING: u32 = 4;

/// The lines that nobody has taken yet; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<VecDeque<String>>,
    came: Notify,
}

impl Log {
    /// Keeps a line; its end is added.
    pub fn add(&self, line: &str) {
        let line: String = line.trim_end().chars().filter(|c| !c.is_control()).collect();
        let end = line.char_indices().map(|(at, _)| at).take_while(|at| *at <= LINE).last().unwrap_or(0);
        let line = if line.len() <= LINE { line } else { line.get(..end).unwrap_or_default().to_owned() };
        if line.is_empty() {
            return;
        }
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES {
            lines.pop_front();
        }
        lines.push_back(line + "\n");
        drop(lines);
        self.0.came.notify_one();
    }

    /// The oldest lines, `most` bytes of them at most; empty where there are none.
    pub fn take(&self, most: usize) -> String {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        while let Some(line) = lines.front().filter(|line| text.len() + line.len() <= most) {
            text.push_str(line);
            lines.pop_front();
        }
        text
    }

    /// Puts lines back that could not be told.
    pub fn put_back(&self, text: &str) {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.lines().rev().take(LINES.saturating_sub(lines.len())) {
            lines.push_front(format!("{line}\n"));
        }
    }

    /// Until there is a line.
    pub async fn came(&self) {
        while self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.0.came.notified().await;
        }
    }

    /// Keeps what the kernel has warned of so far.
    pub fn add_kernel(&self) {
        for text in kernel_records() {
            if let Some(line) = warning(&text) {
                self.add(&line);
            }
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The records that are there now: a read of /dev/kmsg gives one, and none left is "would block".
fn kernel_records() -> impl Iterator<Item = String> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open("/dev/kmsg").ok();
    let mut record = [0; 8192];
    (0..KERNEL).map_while(move |_| {
        let length = file.as_mut()?.read(&mut record).ok()?;
        Some(String::from_utf8_lossy(record.get(..length)?).into_owned())
    })
}

/// The line of a record that is a warning or worse: `priority,sequence,microseconds,flags;text` (Documentation/ABI/testing/
/// dev-kmsg of the kernel).
fn warning(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let mut numbers = head.split(',');
    let priority: u32 = numbers.next()?.parse().ok()?;
    let micros: u64 = numbers.nth(1)?.parse().ok()?;
    let is_kernel = priority >> 3 == 0;
    let first = text.lines().next()?;
    (is_kernel && priority & 7 <= WARNING)
        .then(|| format!("[{:5}.{:03}] kernel: {first}", micros / 1_000_000, micros / 1000 % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_none_is_endless() {
        let log = Log::default();
        for number in 0..LINES + 3 {
            log.add(&format!("{number} {}", "é".repeat(LINE)));
        }
        let text = log.take(usize::MAX);
        assert!(text.starts_with("3 é"), "the first ones are gone");
        assert_eq!(text.lines().count(), LINES);
        assert!(text.lines().all(|line| line.len() <= LINE + 1));
        assert_eq!(log.take(usize::MAX), "");
    }

    #[test]
    fn what_could_not_be_told_comes_first_next_time() {
        let log = Log::default();
        log.add("a");
        log.add("b");
        let told = log.take(2);
        assert_eq!(told, "a\n");
        log.put_back(&told);
        assert_eq!(log.take(100), "a\nb\n");
    }

    #[test]
    fn of_the_kernel_only_warnings_count() {
        assert_eq!(
            warning("4,1,2003004,-;ata1: link is slow\n SUBSYSTEM=pci"),
            Some("[    2.003] kernel: ata1: link is slow".into())
        );
        assert_eq!(warning("6,1,2003004,-;all is well\n"), None);
        assert_eq!(warning("12,1,2003004,-;said by a program\n"), None);
        assert_eq!(warning("nonsense"), None);
    }
}
