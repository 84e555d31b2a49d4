mod pair;

mod exchange;
