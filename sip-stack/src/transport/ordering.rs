//! The order in which the servers behind SRV records are tried (RFC 2782).

use super::Srv;
use crate::time::Entropy;

/// Sorts by priority; within a priority draws by weight.
///
/// The draw is the algorithm of RFC 2782, "Usage rules": records of weight 0 first, a random
/// number up to the sum of the weights that are left, the first record whose running sum reaches
/// it.
pub(super) fn order(mut records: Vec<Srv>, entropy: &mut (dyn Entropy + Send)) -> Vec<Srv> {
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let of_priority = records.iter().take_while(|record| record.priority == priority);
        let sum: u64 = of_priority.clone().map(|record| u64::from(record.weight)).sum();
        let drawn = entropy.below(sum + 1);
        let mut running = 0;
        let index = of_priority
            .map(|record| {
                running += u64::from(record.weight);
                running
            })
            .position(|running| running >= drawn)
            .unwrap_or(0);
        ordered.push(records.remove(index));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Seeded;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn names(records: &[Srv]) -> Vec<&str> {
        records.iter().map(|record| record.target.as_str()).collect()
    }

    #[test]
    fn lower_priorities_come_first_whatever_the_weights() {
        let records = vec![srv(20, 65535, "c"), srv(10, 0, "a"), srv(15, 9, "b")];
        for seed in 0..20 {
            assert_eq!(names(&order(records.clone(), &mut Seeded::new(seed))), ["a", "b", "c"]);
        }
    }

    #[test]
    fn within_a_priority_records_are_drawn_by_weight() {
        let records = vec![srv(10, 75, "often"), srv(10, 25, "seldom")];
        let mut entropy = Seeded::new(1);
        let first = (0..4000)
            .filter(|_| names(&order(records.clone(), &mut entropy))[0] == "often")
            .count();
        assert!((2800..3200).contains(&first), "{first} of 4000");
    }

    #[test]
    fn every_record_is_tried_once() {
        let records: Vec<Srv> = (0..9).map(|n| srv(n % 3, n * 7, &n.to_string())).collect();
        let mut tried: Vec<String> =
            order(records, &mut Seeded::new(5)).into_iter().map(|record| record.target).collect();
        tried.sort();
        assert_eq!(tried, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    }
}
