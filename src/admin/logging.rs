struct L;
impl log::Log for L { fn enabled(&self,_:&log::Metadata)->bool{true} fn log(&self,r:&log::Record){ if r.level()<=log::max_level(){eprintln!("[{}] {}",r.level(),r.args());} } fn flush(&self){} }
pub fn init(l: log::LevelFilter){ log::set_max_level(l); let _=log::set_boxed_logger(Box::new(L)); }
