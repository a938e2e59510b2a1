//! Every rule of the scheduler and the block manager as a text trace; the language is described in `trace/mod.rs`.

mod device;
mod trace;

macro_rules! traces {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            trace::run_file(include_str!(concat!("traces/", stringify!($name), ".trace")));
        })*
    };
}

traces!(
    admission, blocks, drafts, failures, forced, in_flight, logits, preemption, prefixes, running, stops, waiting,
    windows
);
