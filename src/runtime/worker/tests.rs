use super::*;

#[test]
fn a_panic_ends_one_task_only() {
    run_worker(3, |rt| async move {
        let other = Rc::new(Cell::new(0));
        let seen = other.clone();
        rt.spawn(async { panic!("on purpose") });
        rt.spawn(async move {
            futures_lite::future::yield_now().await;
            seen.set(1);
        });
        while other.get() == 0 || rt.panics() == 0 {
            futures_lite::future::yield_now().await;
        }
        assert_eq!((rt.panics(), rt.worker_index()), (1, 3));
    })
    .unwrap();
}

#[test]
fn a_panic_of_main_is_passed_on() {
    let caught = catch_unwind(|| run_worker(0, |_| async { panic!("main") }));
    assert_eq!(caught.map_err(|panic| panic_text(&*panic).to_owned()).unwrap_err(), "main");
}

#[test]
fn the_end_of_main_drops_what_still_runs() {
    let alive = Rc::new(());
    let held = alive.clone();
    run_worker(0, |rt| async move {
        let own = rt.clone();
        rt.spawn(async move {
            // holds the worker, its own timer and `held`: a knot that the end has to undo
            let timer = own.timer();
            timer.wait().await;
            drop(held);
        });
        futures_lite::future::yield_now().await;
    })
    .unwrap();
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn timers_fire_in_order_and_never_early() {
    run_worker(0, |rt| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        for delay in [30, 10, 20] {
            let (rt, order) = (rt.clone(), order.clone());
            rt.clone().spawn(async move {
                let start = rt.now();
                rt.sleep(Duration::from_millis(delay)).await;
                assert!(rt.now() - start >= Duration::from_millis(delay));
                order.borrow_mut().push(delay);
            });
        }
        rt.sleep(Duration::from_millis(60)).await;
        assert_eq!(*order.borrow(), [10, 20, 30]);
        assert_eq!(rt.panics(), 0);
    })
    .unwrap();
}

#[test]
fn a_timer_moved_earlier_wakes_its_task() {
    run_worker(0, |rt| async move {
        let timer = Rc::new(rt.timer());
        timer.set_after(Duration::from_secs(3600));
        let waiting = timer.clone();
        let done = Rc::new(Cell::new(false));
        let fired = done.clone();
        rt.spawn(async move {
            waiting.wait().await;
            fired.set(true);
        });
        rt.sleep(Duration::from_millis(8)).await;
        assert!(!done.get() && timer.is_set());
        timer.set_after(Duration::from_millis(4));
        rt.sleep(Duration::from_millis(20)).await;
        assert!(done.get() && timer.has_fired());
        timer.set(None);
        assert!(!timer.is_set() && !timer.has_fired());
    })
    .unwrap();
}

#[test]
fn ticks_round_outwards() {
    let worker = Worker::new(0).unwrap();
    for (nanos, before, after) in
        [(0, 0, 0), (1, 0, 1), (3_999_999, 0, 1), (4_000_000, 1, 1), (7_200_000_000_001, 1_800_000, 1_800_001)]
    {
        let at = worker.start + Duration::from_nanos(nanos);
        assert_eq!((worker.tick_before(at), worker.tick_at_or_after(at)), (before, after), "{nanos}");
    }
    assert!(worker.start.checked_sub(Duration::from_secs(1)).is_none_or(|past| worker.tick_at_or_after(past) == 0));
}
