//! How many bits a weight takes, as stored and at least.

/// Shannon's entropy in bits per symbol, from how often each symbol occurs: the least that any code
/// which sees one symbol at a time can reach. 0 if nothing occurs.
///
/// ```
/// assert_eq!(hla_quant::entropy::entropy(&[5, 5]), 1.0);
/// assert_eq!(hla_quant::entropy::entropy(&[7, 0]), 0.0);
/// ```
pub fn entropy(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let sum: f64 = counts
        .iter()
        .filter(|&&c| c > 0)
        .map(|&c| {
            let p = c as f64 / total as f64;
            p * p.log2()
        })
        .sum();
    // −0.0 would show as such.
    0.0 - sum
}

/// How often −1, 0 and 1 occur.
pub fn trit_counts(trits: impl IntoIterator<Item = i8>) -> [u64; 3] {
    let mut counts = [0; 3];
    for trit in trits {
        counts[usize::from((trit.signum() + 1) as u8)] += 1;
    }
    counts
}
