//! A child process: it ends with its owner, and the kernel says what it has used.

use std::io;
use std::process::{Child, Command};
use std::time::Duration;

/// A running program. It is killed when this value goes.
pub struct Process(Child);

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// It cannot be started; the text names it.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let program = command.get_program().display().to_string();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot start {program}: {error}"));
        command.spawn().map(Self).map_err(named)
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks the process to end, and waits until it has.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn terminate(mut self) -> io::Result<()> {
        if !Command::new("kill").arg(self.id().to_string()).status()?.success() {
            return Err(io::Error::other(format!("cannot end process {}", self.id())));
        }
        self.0.wait().map(drop)
    }

    /// User and system time; the kernel counts in hundredths of a second.
    ///
    /// # Errors
    /// The process has ended.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        Ok(Duration::from_millis(10 * fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()))
    }

    /// The most memory that it has held so far, in kilobytes.
    ///
    /// # Errors
    /// The process has ended.
    pub fn peak_memory(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        Ok(peak.trim().trim_end_matches(" kB").parse().unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
