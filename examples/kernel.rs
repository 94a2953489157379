//! Runs the kernel C.
fn main() {
    let s = vtd_qi::kernel::Source::open(std::path::Path::new(&std::env::args().nth(1).unwrap())).unwrap_or_else(|e| panic!("{e}"));
    let c = vtd_qi::kernel::cut(&s).unwrap_or_else(|e| panic!("{e}"));
    eprintln!("{} {:?}\nshim: {:?}", s.name(), c.names, c.shimmed);
    println!("{}", c.text);
}
