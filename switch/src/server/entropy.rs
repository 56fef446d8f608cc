//! Unpredictable numbers from the operating system.

use sip_stack::time::Entropy;

use super::ServerError;

/// Numbers that are fetched from the system at once.
const BLOCK: usize = 64;

/// The system's random numbers, fetched in blocks.
pub struct SystemEntropy {
    block: [u64; BLOCK],
    used: usize,
}

impl SystemEntropy {
    /// A source that has proved to work.
    ///
    /// Errors: the system gives no random numbers.
    pub fn new() -> Result<Self, ServerError> {
        let mut source = Self { block: [0; BLOCK], used: BLOCK };
        if source.refill() { Ok(source) } else { Err(ServerError::Random) }
    }

    fn refill(&mut self) -> bool {
        for number in &mut self.block {
            match getrandom::u64() {
                Ok(random) => *number = random,
                Err(_) => return false,
            }
        }
        self.used = 0;
        true
    }
}

impl Entropy for SystemEntropy {
    fn next_u64(&mut self) -> u64 {
        if self.used >= BLOCK && !self.refill() {
            // The system's source never fails after it has worked once; predictable tags and
            // nonces would be a hole, an end is none.
            tracing::error!("the system gives no random numbers any more");
            std::process::abort();
        }
        let number = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_repeat_across_blocks() {
        let mut source = SystemEntropy::new().unwrap();
        let numbers: std::collections::BTreeSet<u64> =
            (0..10 * BLOCK).map(|_| source.next_u64()).collect();
        assert_eq!(numbers.len(), 10 * BLOCK);
    }
}
