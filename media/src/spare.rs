//! When a table gives back what a load made it grow by (SEC-103).

/// Places that a table keeps, whether or not there is anything in them.
const KEPT: usize = 64;

/// How many places a table should have instead of `capacity`, where that is far more than it needs for
/// what it has. Twice as many as it needs: it can grow again without being moved at once.
pub(crate) fn spare(capacity: usize, used: usize) -> Option<usize> {
    let wanted = used.max(KEPT);
    (capacity > wanted.saturating_mul(4)).then_some(wanted.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_only_when_it_is_far_emptier_than_it_is_large() {
        assert_eq!(spare(8_000, 32), Some(128));
        assert_eq!(spare(8_000, 1_000), Some(2_000));
        assert_eq!(spare(8_000, 2_000), None);
        assert_eq!(spare(128, 0), None);
        // What it has become is no reason to shrink again, rounded up as hash tables round.
        assert_eq!(spare(224, 32), None);
    }
}
