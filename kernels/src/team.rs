//! The workers that run one command together. Each of them calls the same kernel with the same arguments; the work is
//! cut into chunks, and whoever is free takes the next one from a counter that all share. Which worker computes a
//! chunk is left to chance, what a chunk computes is not: so the bytes do not depend on the number of workers.
//! Between two commands `worker.ts` holds a barrier and sets the counter back to 0.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What a kernel knows of the team that runs it. `src/backend/wasm/worker.ts` writes one into the shared memory for
/// each worker: three 32-bit numbers.
#[repr(C)]
pub struct Team {
    next: *const AtomicU32,
    /// The number of this worker, from 0: it picks its own part of a scratch.
    pub worker: usize,
    /// How many workers there are.
    pub workers: usize,
}

impl Team {
    /// The chunks `0..count` that fall to this worker, as they come.
    pub fn chunks(&self, count: usize) -> impl Iterator<Item = usize> + '_ {
        // SAFETY: the counter lives as long as the memory.
        let next = unsafe { &*self.next };
        core::iter::from_fn(move || {
            let chunk = next.fetch_add(1, Relaxed) as usize;
            (chunk < count).then_some(chunk)
        })
    }

    /// The same for `0..total` in runs of `size` (the last may be shorter).
    pub fn runs(&self, total: usize, size: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        self.chunks(total.div_ceil(size)).map(move |chunk| chunk * size..total.min((chunk + 1) * size))
    }
}

/// A team of one for tests: runs one command.
#[cfg(test)]
pub fn alone<T>(command: impl FnOnce(*const Team) -> T) -> T {
    let next = AtomicU32::new(0);
    command(&Team { next: &next, worker: 0, workers: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_workers_share_every_chunk_once() {
        let next = AtomicU32::new(0);
        let taken: Vec<AtomicU32> = (0..1000).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let (next, taken) = (&next, &taken);
                scope.spawn(move || {
                    let team = Team { next, worker, workers: 2 };
                    for run in team.runs(taken.len(), 7) {
                        for i in run {
                            taken[i].fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert!(taken.iter().all(|t| t.load(Relaxed) == 1));
    }
}
