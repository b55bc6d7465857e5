package cases

import "kagami/evidence/wiretext"

func visible(s string) string { return wiretext.Visible(s) }

// short is visible, cut for a table.
func short(s string, n int) string { return cut(visible(s), n) }
