// Package doctest checks the documentation against the program: that examples
// load, that fields, flags, commands and tests which it names exist, and that
// its links lead somewhere.
package doctest
