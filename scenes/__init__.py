"""Plugin package: rendered rooms and streets as data sets, on one ray caster. The core never imports it."""
