fn x(){}
pub struct Options; pub struct RunError; pub fn run(){}
