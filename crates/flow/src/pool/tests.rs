use super::*;
use crate::samples::Threads;

#[test]
fn results_have_the_order_of_the_work() {
    for threads in [1, 2, 8] {
        let pool = Pool::start(&Threads::shared(), "test", threads).unwrap();
        for count in [0, 1, 5, 2_000] {
            let doubled = pool.map((0..count).collect(), |n: usize| n * 2);
            assert_eq!(doubled, (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_panic_of_the_work_is_the_callers() {
    let pool = Pool::start(&Threads::shared(), "test", 2).unwrap();
    let run = || pool.map((0..10).collect(), |n: usize| assert_ne!(n, 7));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!(
        pool.map(vec![1, 2], |n: usize| n),
        [1, 2],
        "the threads are still there"
    );
}
