// Command curfew asks for access, reviews what others ask for, uses what was granted and gives it back.
//
// It owns what people see and type, and the private keys to which their credentials are sealed. It owns no rule: the
// server decides, and every sentence of it is shown after being made harmless for a terminal. Of Curfew's packages it
// links access, api/client and secret alone.
package main
