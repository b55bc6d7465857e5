package replay

// join makes objects of the ranges that were transferred.
func (r *reader) join() {}
