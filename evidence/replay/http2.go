package replay

func (c *channel) closeHTTP2() { c.drop(); c.r.addFlow(c.flow) }

func (c *channel) goOnHTTP2(t *Transaction, p *conn1, up, down *reel) {}
