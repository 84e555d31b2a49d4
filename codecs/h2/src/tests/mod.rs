mod pair;
mod raw;

mod bodies;
mod ends;
mod exchange;
mod floods;
mod heads;
mod mutation;
mod regressions;
mod states;
