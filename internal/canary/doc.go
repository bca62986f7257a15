// Package canary plants a secret wherever Curfew can be given one, leads all of them through whole journeys of the real
// programs, plants what these make up on the way, and searches for all of it everywhere that anything is written, answered
// or shown.
//
// It owns the canaries and the forms in which one may appear, the journeys, and the list of places. Whatever is found is a
// defect of the code that wrote it there; what is handed out may be in the one answer that does. That the search finds what is
// there is shown by leaks that are made on purpose (TestLeaksAreFound). It owns no server and no mend. No program links it.
package canary
