//! Derivative-free minimum of a function of few parameters (Nelder & Mead 1965, adaptive coefficients of
//! Gao & Han 2012). Deterministic.

/// Minimum found.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// Where.
    pub at: Vec<f64>,
    /// Value there.
    pub value: f64,
}

/// Searches from `start` with the given first step in every direction, for `rounds` steps at most or
/// until the simplex's values differ by less than `tolerance` relative to the best.
pub fn minimise(
    start: &[f64],
    step: &[f64],
    rounds: usize,
    tolerance: f64,
    mut f: impl FnMut(&[f64]) -> f64,
) -> Minimum {
    let n = start.len() as f64;
    let (expand, contract, shrink) = (1.0 + 2.0 / n, 0.75 - 0.5 / n, 1.0 - 1.0 / n);
    let mut simplex: Vec<Minimum> = vec![Minimum { at: start.to_vec(), value: f(start) }];
    for (axis, length) in step.iter().enumerate() {
        let mut at = start.to_vec();
        if let Some(x) = at.get_mut(axis) {
            *x += length;
        }
        let value = f(&at);
        simplex.push(Minimum { at, value });
    }
    for _ in 0..rounds {
        simplex.sort_by(|a, b| a.value.total_cmp(&b.value));
        let [best, .., second, worst] = simplex.as_slice() else { break };
        if (worst.value - best.value).abs() <= tolerance * best.value.abs() {
            break;
        }
        let centre = centroid(&simplex);
        let towards =
            |share: f64| -> Vec<f64> { centre.iter().zip(&worst.at).map(|(c, w)| c + share * (w - c)).collect() };
        let at = towards(-1.0);
        let reflected = Minimum { value: f(&at), at };
        let new = if reflected.value < best.value {
            let at = towards(-expand);
            let expanded = Minimum { value: f(&at), at };
            if expanded.value < reflected.value { expanded } else { reflected }
        } else if reflected.value < second.value {
            reflected
        } else {
            let at = towards(if reflected.value < worst.value { -contract } else { contract });
            Minimum { value: f(&at), at }
        };
        if new.value < worst.value {
            if let Some(last) = simplex.last_mut() {
                *last = new;
            }
        } else {
            shrink_to_best(&mut simplex, shrink, &mut f);
        }
    }
    simplex.sort_by(|a, b| a.value.total_cmp(&b.value));
    simplex.swap_remove(0)
}

fn centroid(simplex: &[Minimum]) -> Vec<f64> {
    let kept = simplex.len().saturating_sub(1).max(1);
    let mut centre = vec![0.0; simplex.first().map_or(0, |point| point.at.len())];
    for point in simplex.iter().take(kept) {
        for (c, x) in centre.iter_mut().zip(&point.at) {
            *c += x / kept as f64;
        }
    }
    centre
}

fn shrink_to_best(simplex: &mut [Minimum], share: f64, f: &mut impl FnMut(&[f64]) -> f64) {
    let Some((best, rest)) = simplex.split_first_mut() else { return };
    for point in rest {
        for (x, b) in point.at.iter_mut().zip(&best.at) {
            *x = b + share * (*x - b);
        }
        point.value = f(&point.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrocks_valley_is_followed_to_its_end() {
        let found = minimise(&[-1.2, 1.0], &[0.3, 0.3], 2_000, 1e-14, |x| {
            100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)
        });
        assert!((found.at[0] - 1.0).abs() < 1e-4 && (found.at[1] - 1.0).abs() < 1e-4, "{found:?}");
    }
}
