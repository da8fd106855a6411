"""All losses with a formula, in the order of the documentation.

A new loss needs one line here. `keras_noisy` and `keras_noisy.losses` export what stands here.
"""

# ruff: noqa: I001

from keras_noisy.losses.ce import CE as CE
from keras_noisy.losses.mae import MAE as MAE
from keras_noisy.losses.mae_rescale import MAERescale as MAERescale
from keras_noisy.losses.gce import GCE as GCE
from keras_noisy.losses.sce import SCE as SCE
from keras_noisy.losses.rce import RCE as RCE
from keras_noisy.losses.taylor_ce import TaylorCE as TaylorCE
from keras_noisy.losses.phuber_ce import PHuberCE as PHuberCE
from keras_noisy.losses.focal_ce import FocalCE as FocalCE
from keras_noisy.losses.agce import AGCE as AGCE
from keras_noisy.losses.aul import AUL as AUL
from keras_noisy.losses.ael import AEL as AEL
from keras_noisy.losses.js import JS as JS
from keras_noisy.losses.forward_ce import ForwardCE as ForwardCE
from keras_noisy.losses.nce import NCE as NCE
from keras_noisy.losses.nfl import NFL as NFL
from keras_noisy.losses.ngce import NGCE as NGCE
from keras_noisy.losses.nnce import NNCE as NNCE
from keras_noisy.losses.nnfl import NNFL as NNFL
from keras_noisy.losses.amse import AMSE as AMSE
from keras_noisy.losses.eps_softmax_ce import EpsSoftmaxCE as EpsSoftmaxCE
from keras_noisy.losses.bi_tempered import BiTempered as BiTempered
