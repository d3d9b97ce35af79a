//! The resident memory of a process, and whether it stays flat.

/// How much the median of the last third may be above that of the second third, in percent.
pub(crate) const FLAT_PERCENT: u64 = 5;

/// Samples of resident memory in kilobytes, one a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Vec<u64>);

impl Memory {
    /// Adds what the process has now; nothing where the kernel does not tell.
    pub(crate) fn sample(&mut self, pid: u32) {
        self.0.extend(std::fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| resident_kb(&text)));
    }

    /// The first, last and largest sample.
    pub(crate) fn span(&self) -> Option<[u64; 3]> {
        Some([*self.0.first()?, *self.0.last()?, *self.0.iter().max()?])
    }

    /// The medians of the second and of the last third, where each has at least one sample.
    pub(crate) fn medians(&self) -> Option<[u64; 2]> {
        let third = self.0.len() / 3;
        let last = self.0.len() - third;
        (third > 0).then(|| [median(&self.0[last - third..last]), median(&self.0[last..])])
    }

    /// Whether the last third is at most [`FLAT_PERCENT`] above the second one.
    pub(crate) fn is_flat(&self) -> Option<bool> {
        self.medians().map(|[second, last]| last * 100 <= second * (100 + FLAT_PERCENT))
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn resident_kb(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_flat_where_the_last_third_has_hardly_more_than_the_second() {
        for (samples, expected) in [
            (vec![10, 100, 100], Some(true)),
            (vec![10, 20, 100, 100, 105, 105], Some(true)),
            (vec![10, 20, 100, 100, 106, 106], Some(false)),
            (vec![100, 100, 100, 100, 50, 50], Some(true)),
            (vec![1, 1, 1, 100, 900, 100, 100, 900, 100], Some(true)),
            (vec![100, 100], None),
        ] {
            assert_eq!(Memory(samples.clone()).is_flat(), expected, "{samples:?}");
        }
    }

    #[test]
    fn the_span_has_begin_end_and_peak() {
        assert_eq!(Memory(vec![10, 40, 20]).span(), Some([10, 20, 40]));
        assert_eq!(Memory::default().span(), None);
    }

    #[test]
    fn resident_memory_is_read_from_the_kernels_words() {
        assert_eq!(resident_kb("VmHWM:\t  900 kB\nVmRSS:\t   812 kB\n"), Some(812));
        assert_eq!(resident_kb("Name: local"), None);
    }
}
