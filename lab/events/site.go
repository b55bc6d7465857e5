package events

// Site says what kind of place a world is.
type Site struct {
	Name         string
	Workstations int
	Laptops      int  // percent of the workstations that are off when nobody works
	Proxy        bool // people reach the web through an explicit proxy only
	Uplink       bool // the mirror shows the proxy's own connections, too
	Domain       bool // there are directory servers, with what belongs to them
	Servers      int  // file, print and application servers
	Printers     int
	Phones       int
	Cameras      int
	Sensors      int // machines of the plant that report to a server inside
	Gateways     int // machines of the plant that report to their maker outside
	TVs          int
	Admins       int // workstations that administer others
}

// Small is an office of fifteen machines behind a router, without a proxy.
func Small() Site {
	return Site{Name: "small", Workstations: 8, Laptops: 60, Servers: 1, Printers: 1, Phones: 1, Cameras: 2, TVs: 1, Admins: 1}
}

// Office has 120 workstations that know the web through a proxy only.
func Office() Site {
	return Site{
		Name: "office", Workstations: 120, Laptops: 60, Proxy: true, Uplink: true, Domain: true,
		Servers: 6, Printers: 4, Phones: 4, Cameras: 2, TVs: 2, Admins: 2,
	}
}

// Factory has 300 machines, most of which are no computers that people use.
func Factory() Site {
	return Site{
		Name: "factory", Workstations: 40, Laptops: 30, Proxy: true, Uplink: true, Domain: true,
		Servers: 5, Printers: 6, Phones: 10, Cameras: 24, Sensors: 170, Gateways: 30, TVs: 4, Admins: 2,
	}
}

// Sites are the three of them.
func Sites() []Site { return []Site{Small(), Office(), Factory()} }

// Hosts is how many machines the site has, its router included.
func (s Site) Hosts() int {
	n := 1 + s.Workstations + s.Servers + s.Printers + s.Phones + s.Cameras + s.Sensors + s.Gateways + s.TVs
	if s.Proxy {
		n++
	}
	if s.Domain {
		n += len(domainRoles())
	}
	return n
}

// domainRoles are the machines of a site with a directory.
func domainRoles() []role {
	return []role{directory, directory, mailServer, storage, backupServer, scanner, monitor, inventory}
}

// role is what a machine is for.
type role uint8

const (
	router role = iota
	directory
	proxy
	mailServer
	storage
	backupServer
	scanner
	monitor
	inventory
	server
	workstation
	printer
	phone
	camera
	sensor
	gateway
	tv
)

func (r role) String() string {
	return [...]string{"router", "dc", "proxy", "mail", "nas", "backup", "vulnscan", "monitor", "inventory", "srv", "ws", "printer", "phone", "camera", "sensor", "gateway", "tv"}[r]
}

// roles is a set of them.
type roles uint32

func of(list ...role) roles {
	var s roles
	for _, r := range list {
		s |= 1 << r
	}
	return s
}

func (s roles) has(r role) bool { return s>>r&1 == 1 }
