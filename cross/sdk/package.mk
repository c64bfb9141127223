# Lays out a package: its files in STAGE/root, and what is said of it in STAGE/info, a file for each
# field or script that it has. PROGRAMS is where cargo would have installed, ARCH the architecture.
PKG_INSTALL_DIR := $(PROGRAMS)

define BuildPackage
$(eval $(Package/$(1)))
$(foreach name,version release maintainer license license_files arch section depends userid url cpe_id,
	$(call say,$(name),$($(name))))
$(if $(Package/$(1)/preinst),$(error cross/pack knows no preinst))
$(foreach name,description conffiles postinst prerm postrm,
	$(call say,$(name),$(Package/$(1)/$(name))))
.PHONY: $(1)
$(1):
	$$(call Package/$(1)/install,$(STAGE)/root)
endef

say = $(if $(strip $(2)),$(file >$(STAGE)/info/$(1),$(2)))

# A package's section may set what its Makefile does not.
version = $(PKG_VERSION)
release = $(PKG_RELEASE)
maintainer = $(or $(MAINTAINER),$(PKG_MAINTAINER))
license = $(or $(LICENSE),$(PKG_LICENSE))
license_files = $(or $(LICENSE_FILES),$(PKG_LICENSE_FILES))
arch = $(or $(PKGARCH),$(ARCH))
section = $(SECTION)
depends = $(DEPENDS)
userid = $(USERID)
url = $(or $(URL),$(PKG_URL))
cpe_id = $(PKG_CPE_ID)
