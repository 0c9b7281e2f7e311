//! In which order several ways to one place are tried.

/// Places in `items`, each a priority and a weight: lower priorities first; among equals each comes first as often as its
/// weight says, and one of weight 0 hardly ever (RFC 2782). `draw` gives evenly distributed numbers.
pub fn order(items: &[(u16, u32)], mut draw: impl FnMut() -> u64) -> Vec<usize> {
    let mut left: Vec<usize> = (0..items.len()).collect();
    // Those of weight 0 first, so that they are chosen by a draw of 0 alone.
    left.sort_by_key(|at| (items[*at].0, items[*at].1 > 0));
    let mut ordered = Vec::with_capacity(items.len());
    while let Some(first) = left.first() {
        let priority = items[*first].0;
        let equals = left.iter().take_while(|at| items[**at].0 == priority).count();
        let total: u64 = left[..equals].iter().map(|at| u64::from(items[*at].1)).sum();
        let mut drawn = draw() % (total + 1);
        let chosen = left[..equals].iter().position(|at| {
            let weight = u64::from(items[*at].1);
            let hit = drawn <= weight;
            drawn = drawn.saturating_sub(weight);
            hit
        });
        ordered.push(left.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plain sequence of numbers that are spread well enough.
    fn sequence(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        }
    }

    #[test]
    fn weights_say_how_often_who_is_first() {
        let mut draw = sequence(1);
        let mut first = [0; 3];
        for _ in 0..10_000 {
            first[order(&[(1, 70), (1, 30), (2, 1000)], &mut draw)[0]] += 1;
        }
        assert!((6800..7200).contains(&first[0]) && first[2] == 0, "{first:?}");
    }

    #[test]
    fn one_of_weight_zero_is_the_last_of_its_equals_but_for_one_draw() {
        let mut draw = sequence(2);
        let seldom = (0..1000).filter(|_| order(&[(1, 0), (1, 100)], &mut draw)[0] == 0).count();
        assert!(seldom < 30, "{seldom}");
        assert_eq!(order(&[(1, 0), (1, 0)], || 0), [0, 1], "without weights the order of the settings stays");
    }

    proptest! {
        #[test]
        fn everybody_comes_once_and_priorities_rise(items in prop::collection::vec((0u16..4, 0u32..5), 0..12), seed: u64) {
            let ordered = order(&items, sequence(seed));
            prop_assert!(ordered.windows(2).all(|pair| items[pair[0]].0 <= items[pair[1]].0));
            let mut all = ordered;
            all.sort_unstable();
            prop_assert_eq!(all, (0..items.len()).collect::<Vec<_>>());
        }
    }
}
