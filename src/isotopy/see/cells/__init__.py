"""How cells are drawn, by kind of domain: in the plane, along curves, on surfaces and solids."""
